//! The settings that a reload does not change.

use super::Config;

impl Config {
    /// Keeps what can't change while the server runs as it is in `running`. The keys of what would have changed.
    pub fn freeze(&mut self, running: &Self) -> Vec<&'static str> {
        let mut kept = Vec::new();
        let mut changed = |differs, key| {
            if differs {
                kept.push(key);
            }
            differs
        };
        let (new, old) = (&mut self.server, &running.server);
        if changed(new.bind_address != old.bind_address, "server.bind_address") {
            new.bind_address = old.bind_address;
        }
        if changed(new.port != old.port, "server.port") {
            new.port = old.port;
        }
        if changed(new.tls.is_some() != old.tls.is_some(), "server.tls") {
            new.tls.clone_from(&old.tls);
        }
        let (new, old) = (&mut self.observability, &running.observability);
        let differs = new.bind_address != old.bind_address;
        if changed(differs, "observability.bind_address") {
            new.bind_address = old.bind_address;
        }
        if changed(new.port != old.port, "observability.port") {
            new.port = old.port;
        }
        let differs = new.log_format != old.log_format;
        if changed(differs, "observability.log_format") {
            new.log_format = old.log_format;
        }
        let differs = new.tracing.is_some() != old.tracing.is_some();
        if changed(differs, "observability.tracing") {
            new.tracing.clone_from(&old.tracing);
        }
        if let (Some(new), Some(old)) = (&mut new.tracing, &old.tracing) {
            let differs = new.sampling_rate.to_bits() != old.sampling_rate.to_bits();
            if changed(differs, "observability.tracing.sampling_rate") {
                new.sampling_rate = old.sampling_rate;
            }
        }
        kept
    }
}

#[cfg(test)]
mod tests;
