//! The test suite: one binary, because linking is the cost.

mod commands {
    mod cli;
    mod config_example;
    mod seed_examples;
}
