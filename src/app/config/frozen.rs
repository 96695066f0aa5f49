//! The settings that a reload does not change.

use super::Config;

impl Config {
    /// Keeps what can't change while the server runs as it is in `running`. The keys of what would have changed.
    pub fn freeze(&mut self, running: &Self) -> Vec<&'static str> {
        let (new, old) = (&mut self.server, &running.server);
        let mut kept = Vec::new();
        if new.bind_address != old.bind_address {
            new.bind_address = old.bind_address;
            kept.push("server.bind_address");
        }
        if new.port != old.port {
            new.port = old.port;
            kept.push("server.port");
        }
        if new.tls.is_some() != old.tls.is_some() {
            new.tls.clone_from(&old.tls);
            kept.push("server.tls");
        }
        let (new, old) = (&mut self.observability, &running.observability);
        if new.bind_address != old.bind_address {
            new.bind_address = old.bind_address;
            kept.push("observability.bind_address");
        }
        if new.port != old.port {
            new.port = old.port;
            kept.push("observability.port");
        }
        if let (Some(new), Some(old)) = (
            &mut self.observability.tracing,
            &running.observability.tracing,
        ) && new.sampling_rate.to_bits() != old.sampling_rate.to_bits()
        {
            new.sampling_rate = old.sampling_rate;
            kept.push("observability.tracing.sampling_rate");
        }
        kept
    }
}

#[cfg(test)]
mod tests;
