use std::time::Duration;

use super::*;

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn settings() -> Settings {
    Settings {
        header_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(90),
        ..Settings::default()
    }
}

async fn after(seconds: u64, connection: &Connection) -> Option<Fault> {
    tokio::time::advance(Duration::from_secs(seconds)).await;
    connection.fault(&settings(), Instant::now())
}

/// lessons.md, security 32
#[tokio::test(start_paused = true)]
async fn a_connection_without_a_request_is_closed() {
    let connection = Connection::new(PEER);

    assert_eq!(after(9, &connection).await, None);
    assert_eq!(after(1, &connection).await, Some(Fault::Silent));
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_another_request_is_closed_later() {
    let connection = Arc::new(Connection::new(PEER));
    drop(connection.begin());

    assert_eq!(after(89, &connection).await, None);
    assert_eq!(after(1, &connection).await, Some(Fault::Idle));
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_not_idle_while_bytes_leave_it() {
    let connection = Arc::new(Connection::new(PEER));
    drop(connection.begin());
    for _ in 0..10 {
        assert_eq!(after(89, &connection).await, None);
        connection.wrote();
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_may_take_its_time() {
    let connection = Arc::new(Connection::new(PEER));
    let _active = connection.begin();

    assert_eq!(after(100_000, &connection).await, None);
}

/// lessons.md, correctness 25
#[tokio::test(start_paused = true)]
async fn a_response_that_nobody_takes_closes_the_connection() {
    let connection = Arc::new(Connection::new(PEER));
    let _active = connection.begin();
    let meter = Arc::new(Mutex::new(Meter::new(Duration::from_mins(1))));
    connection.watch(&meter);
    meter.lock().unwrap().wait(Instant::now());

    assert_eq!(after(59, &connection).await, None);
    assert_eq!(after(1, &connection).await, Some(Fault::Stalled));

    drop(meter);
    assert_eq!(after(1, &connection).await, None);
}
