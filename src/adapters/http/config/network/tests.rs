use proptest::prelude::*;

use super::Network;

#[test]
fn a_network_contains_the_addresses_that_share_its_first_bits() {
    for (network, inside, outside) in [
        ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
        ("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.1.2.3"),
        ("192.168.1.1", "192.168.1.1", "192.168.1.2"),
        ("0.0.0.0/0", "203.0.113.9", "::1"),
        ("fd00::/8", "fd12::1", "fe80::1"),
        ("::/0", "2001:db8::1", "10.0.0.1"),
    ] {
        let range: Network = network.parse().unwrap();

        assert!(
            range.contains(inside.parse().unwrap()),
            "{network} {inside}"
        );
        assert!(
            !range.contains(outside.parse().unwrap()),
            "{network} {outside}"
        );
    }
}

#[test]
fn what_is_no_network_is_refused() {
    for text in [
        "",
        "10.0.0.0/",
        "10.0.0.0/33",
        "::/129",
        "10.0.0/8",
        "/8",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "example/8",
    ] {
        assert!(text.parse::<Network>().is_err(), "{text:?}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in ".*") {
        let _ = text.parse::<Network>();
    }

    #[test]
    fn a_printed_network_reads_back_as_itself(address: std::net::Ipv4Addr, bits in 0_u8..=32) {
        let network: Network = format!("{address}/{bits}").parse().unwrap();

        prop_assert_eq!(network.to_string().parse::<Network>(), Ok(network));
        prop_assert!(network.contains(address.into()));
    }
}
