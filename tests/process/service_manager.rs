//! Started by a service manager: on a socket that it has opened, and telling it when it serves.

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::server::Place;

#[test]
fn a_socket_that_was_opened_before_is_served_and_outlives_the_server() {
    let place = Place::new("");
    // Another one than the configuration's.
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let notify = place.dir.path().join("notify");
    let manager = UnixDatagram::bind(&notify).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();

    for _ in 0..2 {
        let mut server = place.start_activated(&socket, &notify);

        assert_ne!(server.port, place.port);
        let mut told = [0; 64];
        let length = manager.recv(&mut told).unwrap();
        assert_eq!(&told[..length], b"READY=1\n");
        server.signal(Signal::SIGTERM);
        assert!(server.wait(Duration::from_secs(10)).success());
    }
    // Nobody was refused in between: it listens for the next server.
    std::net::TcpStream::connect(socket.local_addr().unwrap()).unwrap();
}

#[test]
fn what_is_no_socket_to_listen_on_is_refused() {
    let place = Place::new("");
    for (fds, expected) in [
        ("1", "fd 3 is not a socket"),
        ("2", "these are several sockets"),
    ] {
        let mut command = place.command();
        let program = command.get_program().to_owned();
        command = std::process::Command::new("sh");
        let script = r#"exec 3</dev/null && LISTEN_PID=$$ LISTEN_FDS=$3 exec "$1" -c "$2" server"#;
        command.args(["-c", script, "sh"]).arg(program);
        command.arg(place.config()).arg(fds);

        let output = command.output().unwrap();

        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains("LISTEN_FDS") && said.contains(expected),
            "{said}"
        );
    }
}
