use std::sync::mpsc;
use std::thread::{ThreadId, current};

use super::*;

/// The thread that does a step.
async fn thread() -> ThreadId {
    step(|| Ok(current().id())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_steps_of_whole_work_are_done_where_it_is() {
    offer();
    let work = tokio::spawn(async {
        whole(async { (current().id(), thread().await, thread().await) }).await
    });

    let (here, first, second) = work.await.unwrap();

    assert_eq!([first, second], [here, here]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn other_steps_are_done_elsewhere() {
    let work = tokio::spawn(async { (current().id(), thread().await) });

    let (here, there) = work.await.unwrap();

    assert_ne!(here, there);
}

/// A worker that waits for a disk is replaced meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_runtime_goes_on_while_a_step_waits() {
    offer();
    let (send, receive) = mpsc::channel();
    let waiting = tokio::spawn(async {
        whole(async { step(move || receive.recv().map_err(io::Error::other)).await }).await
    });

    tokio::spawn(async move { send.send(7).unwrap() })
        .await
        .unwrap();

    assert_eq!(waiting.await.unwrap().unwrap(), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn after_a_panic_the_thread_is_like_any_other() {
    offer();
    let work = tokio::spawn(async { whole(async { panic!("a bug") }).await });

    assert!(work.await.is_err());

    let work = tokio::spawn(async { (current().id(), thread().await) });
    let (here, there) = work.await.unwrap();
    assert_ne!(here, there);
}

#[tokio::test]
async fn a_runtime_of_one_thread_keeps_it() {
    offer();

    let there = whole(thread()).await;

    assert_ne!(there, current().id());
}
