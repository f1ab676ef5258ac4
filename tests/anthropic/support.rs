//! A scripted HTTP server on a real socket, and recorders for `tracing` and `log`.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Once;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// What the server does with one connection once it has read the request.
pub enum Reply {
    /// Writes these bytes and closes.
    Close(Vec<u8>),
    /// Writes these bytes and stays silent until the server is dropped.
    Stall(Vec<u8>),
}

/// A request as it came over the wire.
pub struct Received {
    /// The request line and the headers.
    pub head: String,
    /// The body, as long as its `content-length`.
    pub body: String,
}

/// A server that gives its replies in turn, one a connection.
pub struct Server {
    pub base_url: String,
    received: Receiver<Received>,
    // Dropped with the server, which ends every stall.
    _release: Sender<()>,
}

impl Server {
    pub fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, received) = channel();
        let (release, released) = channel::<()>();
        thread::spawn(move || {
            for reply in replies {
                let (mut stream, _) = listener.accept().unwrap();
                let request = read_request(&stream);
                let _ = sender.send(request);
                // The client may close before it has read everything.
                match reply {
                    Reply::Close(bytes) => drop(stream.write_all(&bytes)),
                    Reply::Stall(bytes) => {
                        drop(stream.write_all(&bytes));
                        let _ = released.recv();
                    }
                }
            }
        });
        Self { base_url, received, _release: release }
    }

    /// A server with one reply: this status, these header lines and this body.
    pub fn replying(status: u16, headers: &str, body: &str) -> Self {
        Self::start(vec![Reply::Close(response(status, headers, body))])
    }

    pub fn received(&self) -> Received {
        self.received.recv().unwrap()
    }
}

/// A complete response; each header line ends with CR LF.
pub fn response(status: u16, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
}

fn read_request(stream: &TcpStream) -> Received {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "the request's head breaks off: {head}");
    }
    let lengths = head.lines().filter_map(|line| line.strip_prefix("content-length: "));
    let length = lengths.map(|length| length.parse::<usize>().unwrap()).next().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    Received { head, body: String::from_utf8(body).unwrap() }
}

thread_local! {
    // Something only while this thread records.
    static RECORDED: RefCell<Option<Recorded>> = const { RefCell::new(None) };
}

/// What was recorded of one piece of work.
#[derive(Default)]
pub struct Recorded {
    /// Every `tracing` event and span, a line for each.
    pub events: String,
    /// Every record of the `log` crate: target and text.
    pub logged: Vec<(String, String)>,
}

impl Recorded {
    /// The bytes that the HTTP client dumped to the log, sixteen a record, put together again; a dot stands for
    /// whatever is neither letter, digit nor punctuation.
    pub fn dumped(&self) -> String {
        let dumps = self.logged.iter().filter(|(target, _)| target.starts_with("ureq_proto"));
        dumps.filter_map(|(_, text)| text.rsplit(' ').next()).collect()
    }
}

/// Does the work while every `tracing` event and every `log` record of this thread is recorded, at all levels.
pub fn record(work: impl FnOnce()) -> Recorded {
    install_recorder();
    RECORDED.set(Some(Recorded::default()));
    work();
    RECORDED.take().unwrap()
}

/// Makes the recorder the process's logger and subscriber. Every test does so before its first event: `tracing` asks
/// only once whether an event interests anyone, and a thread without a subscriber would answer for all.
pub fn install_recorder() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        log::set_boxed_logger(Box::new(Recorder)).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        tracing::subscriber::set_global_default(Recorder).unwrap();
    });
}

struct Recorder;

impl log::Log for Recorder {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        RECORDED.with_borrow_mut(|recorded| {
            if let Some(recorded) = recorded {
                recorded.logged.push((record.target().to_owned(), record.args().to_string()));
            }
        });
    }

    fn flush(&self) {}
}

fn write_line(metadata: &Metadata<'_>, fields: impl FnOnce(&mut Fields<'_>)) {
    RECORDED.with_borrow_mut(|recorded| {
        if let Some(Recorded { events, .. }) = recorded {
            write!(events, "{} {}", metadata.level(), metadata.target()).unwrap();
            fields(&mut Fields(events));
            events.push('\n');
        }
    });
}

impl Subscriber for Recorder {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        write_line(span.metadata(), |fields| span.record(fields));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        RECORDED.with_borrow_mut(|recorded| {
            if let Some(Recorded { events, .. }) = recorded {
                values.record(&mut Fields(events));
            }
        });
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        write_line(event.metadata(), |fields| event.record(fields));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}
