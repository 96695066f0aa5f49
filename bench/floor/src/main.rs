//! The floor of a push: receives, hashes, writes and syncs what a registry would, and nothing else.
//!
//! `floor FILE` prints the port that it listens on, and answers just enough of an upload (POST, PATCH, PUT) for
//! `regbench -only push_big`. What a registry needs more than this is its own doing.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use sha2::{Digest, Sha256};

fn main() -> std::io::Result<()> {
    let path = std::env::args_os().nth(1).expect("floor FILE");
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    for stream in listener.incoming() {
        let (stream, path) = (stream?, path.clone());
        std::thread::spawn(move || {
            if let Err(error) = serve(&stream, Path::new(&path)) {
                eprintln!("floor: {error}");
            }
        });
    }
    Ok(())
}

fn serve(stream: &TcpStream, path: &Path) -> std::io::Result<()> {
    let mut reader = BufReader::with_capacity(1 << 18, stream);
    loop {
        let (mut method, mut length) = (String::new(), 0_u64);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim().is_empty() {
                break;
            }
            if method.is_empty() {
                line.split(' ')
                    .next()
                    .unwrap_or_default()
                    .clone_into(&mut method);
            }
            let (name, value) = line.split_once(':').unwrap_or_default();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap_or_default();
            }
        }
        if method == "PATCH" {
            receive(&mut reader, length, path)?;
        }
        let status = if method == "PUT" {
            "201 Created"
        } else {
            "202 Accepted"
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nLocation: /v2/bench/app/blobs/uploads/1\r\nContent-Length: 0\r\n\r\n"
        );
        (&*stream).write_all(head.as_bytes())?;
    }
}

fn receive(reader: &mut impl Read, mut left: u64, path: &Path) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    while left > 0 {
        let most = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = reader.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        hash.update(&buffer[..read]);
        file.write_all(&buffer[..read])?;
        left -= read as u64;
    }
    println!("{:x}", hash.finalize()[0]); // so that nobody optimises the hash away
    file.sync_all()
}
