//! Clients: which address a request came from, and what it was sent to, also through proxies.

use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;
use hyper::header::{FORWARDED, HeaderName};

use super::config::Network;
use crate::domain::model::ClientKey;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

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
            forwarded(hop, "for")
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

/// What a request was sent to.
#[derive(Clone, Copy)]
pub struct Origin<'h> {
    /// Whether it came over TLS.
    pub encrypted: bool,
    /// The host, with its port if that is not the scheme's own.
    pub host: Option<&'h str>,
}

/// The URL that the client has for what is at `direct` for the peer: the same, but for what a trusted proxy says of it.
/// `None` where no host is known that could be one: it is going to stand in a header.
pub fn origin(
    peer: IpAddr,
    headers: &HeaderMap,
    trusted: &[Network],
    direct: Origin<'_>,
) -> Option<String> {
    let peer = peer.to_canonical();
    let is_trusted = trusted.iter().any(|network| network.contains(peer));
    // What the last proxy wrote comes last.
    let last = |name: HeaderName| {
        let value = headers.get_all(name).iter().next_back()?;
        value.to_str().ok()?.rsplit(',').next()
    };
    let (proto, host) = match last(FORWARDED) {
        _ if !is_trusted => (None, None),
        Some(hop) => (forwarded(hop, "proto"), forwarded(hop, "host")),
        None => (last(X_FORWARDED_PROTO), last(X_FORWARDED_HOST)),
    };
    let bare = |text: &'_ str| text.trim().trim_matches('"').to_owned();
    let encrypted = proto.map_or(direct.encrypted, |it| {
        bare(it).eq_ignore_ascii_case("https")
    });
    let host = host.or(direct.host).map(bare)?;
    let is_plain = |c: u8| c.is_ascii_alphanumeric() || b".-_:[]".contains(&c);
    let scheme = if encrypted { "https" } else { "http" };
    let is_host = (1..=255).contains(&host.len()) && host.bytes().all(is_plain);
    is_host.then(|| format!("{scheme}://{host}"))
}

/// What one hop says of `key` (RFC 7239).
fn forwarded<'h>(hop: &'h str, key: &str) -> Option<&'h str> {
    let pairs = hop.split(';').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case(key));
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
