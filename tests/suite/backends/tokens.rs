//! Tokens in memory keep what a cache of tokens promises, alone and before another one.

use std::sync::Arc;

use simple_registry::adapters::upstream::MemoryTokens;

use crate::contracts::tokens;

macro_rules! token_contracts {
    ($($contract:ident),+ $(,)?) => {
        $(#[tokio::test]
        async fn $contract() {
            tokens::$contract(&MemoryTokens::default()).await;
            let behind = Arc::new(MemoryTokens::default());
            tokens::$contract(&MemoryTokens::before(behind)).await;
        })+
    };
}

token_contracts! {
    a_token_is_kept_under_its_name,
    a_token_is_forgotten_in_time,
    a_later_token_replaces_an_earlier_one,
    a_token_that_is_good_for_no_time_is_not_kept,
}
