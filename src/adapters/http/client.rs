//! Clients: which address a request came from, also through proxies.

use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;
use hyper::header::{FORWARDED, HeaderName};

use super::config::Network;
use crate::domain::model::ClientKey;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address that a request came from. Where the peer is a trusted proxy, it is the last one in the forwarding header
/// that no trusted proxy has; anything before that was written by who knows whom.
///
/// A request with both forwarding headers is its proxy's own: proxies write one and pass the other on as it came.
pub fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let peer = peer.to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(peer) {
        return peer;
    }
    let name = match (
        headers.contains_key(FORWARDED),
        headers.contains_key(X_FORWARDED_FOR),
    ) {
        (true, false) => FORWARDED,
        (false, true) => X_FORWARDED_FOR,
        (true, true) | (false, false) => return peer,
    };
    let values: Vec<&str> = headers
        .get_all(&name)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .collect();
    let mut client = peer;
    for hop in values.into_iter().rev() {
        let hop = if name == FORWARDED {
            forwarded_for(hop)
        } else {
            Some(hop)
        };
        // Not an address ("unknown", "_hidden"): whoever wrote it is the last that is known.
        let Some(address) = hop.and_then(parse) else {
            return client;
        };
        client = address;
        if !is_trusted(address) {
            return client;
        }
    }
    client
}

/// `for=` of one hop (RFC 7239).
fn forwarded_for(hop: &str) -> Option<&str> {
    let pairs = hop.split(';').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    values.next().map(|(_, value)| value)
}

/// An address, with or without quotes, brackets and port.
fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let address: IpAddr = match bare.unwrap_or(text).parse() {
        Ok(address) => address,
        Err(_) => text.parse::<SocketAddr>().ok()?.ip(),
    };
    Some(address.to_canonical())
}

/// What is equal for all addresses of one client: a network of IPv6 is a household.
pub fn key(address: IpAddr) -> ClientKey {
    match address {
        IpAddr::V4(address) => ClientKey(address.to_ipv6_mapped().to_bits()),
        IpAddr::V6(address) => ClientKey(address.to_bits() >> 64 << 64),
    }
}

#[cfg(test)]
mod tests;
