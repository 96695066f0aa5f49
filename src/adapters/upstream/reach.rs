//! `Reach`: how far requests go from an upstream, and how far our credentials.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;

/// Second levels below which anybody gets a domain, where a country's code follows (`co.uk`).
const PUBLIC: [&str; 10] = [
    "ac", "co", "com", "edu", "go", "gov", "ne", "net", "or", "org",
];

/// An upstream's surroundings.
pub(super) struct Reach {
    home: Url,
}

impl Reach {
    pub(super) fn new(home: Url) -> Self {
        Self { home }
    }

    /// The upstream's own scheme, host and port.
    pub(super) fn home(&self) -> &Url {
        &self.home
    }

    /// Whether this is the upstream itself: the same scheme, host and port.
    pub(super) fn is_home(&self, url: &Url) -> bool {
        url.origin() == self.home.origin()
    }

    /// Whether the upstream is on this machine or this link, where others must not send us.
    pub(super) fn is_inner(&self) -> bool {
        is_inner_host(host(&self.home))
    }

    /// Whether the service at `realm` may be told our name and password: it has the upstream's host or is of its site,
    /// and is asked over TLS, unless the upstream itself is not.
    ///
    /// The site is what follows the first label of the upstream's host. `auth.docker.io` and `docker.io` are of the
    /// site of `registry-1.docker.io`. An address is a site of its own.
    pub(super) fn trusts(&self, realm: &Url) -> bool {
        let (home, realm_host) = (host(&self.home), host(realm));
        if realm.scheme() != "https" && self.home.scheme() == "https" {
            return false;
        }
        if home == realm_host {
            return true;
        }
        if address(home).is_some() || address(realm_host).is_some() {
            return false;
        }
        let site = site(home).unwrap_or(home);
        let above = realm_host.strip_suffix(site);
        above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
    }

    /// Whether `url` may be asked because something at `from` said so.
    ///
    /// Nobody leads us out of TLS, and from outside nobody leads us to this machine or to what answers only on its own
    /// link, such as a cloud's metadata. A name is looked up for that; behind a proxy, which looks up for itself, it
    /// may have no address here.
    pub(super) async fn admits(&self, from: &Url, url: &Url) -> Result<(), String> {
        let target = host(url);
        match url.scheme() {
            "https" => {}
            "http" if from.scheme() == "http" => {}
            _ => return Err(format!("it leads out of TLS, to {target}")),
        }
        if target == host(&self.home) || self.is_inner() {
            return Ok(());
        }
        let inner = match address(target) {
            Some(address) => is_inner(address),
            None if is_inner_host(target) => true,
            None => {
                let port = url.port_or_known_default().unwrap_or_default();
                match tokio::net::lookup_host((target, port)).await {
                    Ok(mut addresses) => addresses.any(|it| is_inner(it.ip())),
                    Err(_) => false,
                }
            }
        };
        if inner {
            return Err(format!(
                "it leads to {target}, which is on this machine or its link"
            ));
        }
        Ok(())
    }
}

fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default().trim_end_matches('.')
}

/// The address that stands in place of a name.
fn address(host: &str) -> Option<IpAddr> {
    host.trim_matches(['[', ']']).parse().ok()
}

/// The domain that a host's owner has, unless anybody can have a part of it.
fn site(host: &str) -> Option<&str> {
    let (_, site) = host.split_once('.')?;
    let (first, rest) = site.split_once('.')?;
    let public = rest.len() == 2 && PUBLIC.contains(&first);
    (!public).then_some(site)
}

fn is_inner_host(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost") || address(host).is_some_and(is_inner)
}

/// This machine, its link, and where clouds keep the metadata of machines.
fn is_inner(address: IpAddr) -> bool {
    const METADATA_V4: [Ipv4Addr; 2] = [
        Ipv4Addr::new(100, 100, 100, 200),
        Ipv4Addr::new(192, 0, 0, 192),
    ];
    const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    match address.to_canonical() {
        IpAddr::V4(it) => {
            // All of 0.0.0.0/8 is "this network".
            it.is_loopback()
                || it.is_link_local()
                || it.octets()[0] == 0
                || METADATA_V4.contains(&it)
        }
        IpAddr::V6(it) => {
            it.is_loopback()
                || it.is_unspecified()
                || it.is_unicast_link_local()
                || it == METADATA_V6
        }
    }
}

#[cfg(test)]
mod tests;
