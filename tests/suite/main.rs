//! One test binary for everything that needs more than one file of the crate:
//! on two cores, linking is the cost.

mod api;
mod backends;
mod commands {
    mod about;
    mod bad_input;
    mod check_config;
    mod cli;
    mod config_example;
    mod hostile_rules;
    mod policies_reference;
    mod reload;
    mod retention;
    mod seed_examples;
    mod takeover;
}
mod contracts;
mod lessons;
mod support;
mod upstreams;
