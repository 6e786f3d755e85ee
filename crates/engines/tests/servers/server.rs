//! A small HTTP server that answers as a test tells it to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// One answer of the server.
pub enum Reply {
    /// Status line, further headers (each with its line end) and body.
    Answer(&'static str, &'static str, String),
    /// The headers at once, the body never.
    Stall,
    /// Closes the connection.
    HangUp,
}

/// A JSON answer with status 200.
pub fn ok(body: impl Into<String>) -> Reply {
    Reply::Answer("200 OK", "Content-Type: application/json\r\n", body.into())
}

/// A running server; it ends with the process.
pub struct Server {
    pub url: String,
    requests: Arc<Mutex<Vec<String>>>,
    most_at_once: Arc<AtomicUsize>,
}

impl Server {
    /// A server that answers the request with number n (from 0) and this body by `reply`.
    pub fn start(reply: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let most_at_once = Arc::new(AtomicUsize::new(0));
        let server = Server {
            url,
            requests: requests.clone(),
            most_at_once: most_at_once.clone(),
        };
        let reply = Arc::new(reply);
        let now = Arc::new(AtomicUsize::new(0));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (reply, requests) = (reply.clone(), requests.clone());
                let (now, most_at_once) = (now.clone(), most_at_once.clone());
                thread::spawn(move || {
                    most_at_once
                        .fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    answer(stream, &*reply, &requests);
                    now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        server
    }

    /// The requests so far, each with its head and body.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic").clone()
    }

    /// Most requests that were open at a time.
    pub fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::SeqCst)
    }
}

fn answer(
    stream: TcpStream,
    reply: &(impl Fn(usize, &str) -> Reply + ?Sized),
    requests: &Mutex<Vec<String>>,
) {
    let mut reader = BufReader::new(&stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let body = String::from_utf8(body).expect("UTF-8");
    let number = {
        let mut requests = requests.lock().expect("no panic");
        requests.push(format!("{head}\r\n{body}"));
        requests.len() - 1
    };
    let mut stream = &stream;
    // The client may have gone.
    let _ = match reply(number, &body) {
        Reply::Answer(status, headers, body) => write!(
            stream,
            "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ),
        Reply::Stall => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
            thread::sleep(Duration::from_secs(30));
            Ok(())
        }
        Reply::HangUp => Ok(()),
    };
}
