//! As much of Kafka's protocol as librdkafka's admin client lacks: a request and its answer over one
//! connection, in milliseconds where Kafka's own tools take a second of Java.
//!
//! The numbers and the fields are those of <https://kafka.apache.org/protocol>. The versions are in
//! brokers 3.9 to 4.4.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const CLIENT: &str = "kafka-rig";
const TIMEOUT: Duration = Duration::from_secs(30);

/// How strings and arrays of a version say how long they are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    /// By two or four bytes.
    Fixed,
    /// By a variable number of bytes, with tags behind each structure (KIP-482).
    Compact,
}

/// A request that is written.
#[derive(Debug)]
pub(crate) struct Request {
    format: Format,
    bytes: Vec<u8>,
}

impl Request {
    pub(crate) fn new(key: i16, version: i16, format: Format) -> Request {
        let mut request = Request { format: Format::Fixed, bytes: vec![0; 4] };
        request.i16(key).i16(version).i32(1).string(CLIENT);
        request.format = format;
        request.tags();
        request
    }

    pub(crate) fn i8(&mut self, value: i8) -> &mut Request {
        self.bytes.extend(value.to_be_bytes());
        self
    }

    pub(crate) fn i16(&mut self, value: i16) -> &mut Request {
        self.bytes.extend(value.to_be_bytes());
        self
    }

    pub(crate) fn i32(&mut self, value: i32) -> &mut Request {
        self.bytes.extend(value.to_be_bytes());
        self
    }

    pub(crate) fn string(&mut self, value: &str) -> &mut Request {
        match self.format {
            Format::Fixed => self.i16(i16::try_from(value.len()).expect("a short string")),
            Format::Compact => self.varint(value.len() + 1),
        };
        self.bytes.extend(value.as_bytes());
        self
    }

    /// No string, which is another than an empty one.
    pub(crate) fn null(&mut self) -> &mut Request {
        match self.format {
            Format::Fixed => self.i16(-1),
            Format::Compact => self.varint(0),
        }
    }

    /// The length of an array; its items follow.
    pub(crate) fn array(&mut self, len: usize) -> &mut Request {
        match self.format {
            Format::Fixed => self.i32(i32::try_from(len).expect("a short array")),
            Format::Compact => self.varint(len + 1),
        }
    }

    /// The end of a structure.
    pub(crate) fn tags(&mut self) -> &mut Request {
        if self.format == Format::Compact {
            self.bytes.push(0);
        }
        self
    }

    fn varint(&mut self, mut value: usize) -> &mut Request {
        while value > 0x7f {
            self.bytes.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
            value >>= 7;
        }
        self.bytes.push(u8::try_from(value).unwrap_or(0));
        self
    }

    /// Sends it to `address` and waits for the answer.
    pub(crate) fn send(mut self, address: SocketAddr) -> io::Result<Answer> {
        let len = u32::try_from(self.bytes.len() - 4).map_err(io::Error::other)?;
        self.bytes[..4].copy_from_slice(&len.to_be_bytes());
        let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.write_all(&self.bytes)?;
        let mut len = [0; 4];
        stream.read_exact(&mut len)?;
        let mut bytes = vec![0; u32::from_be_bytes(len) as usize];
        stream.read_exact(&mut bytes)?;
        let mut answer = Answer { format: self.format, bytes, at: 0 };
        answer.i32();
        answer.tags();
        Ok(answer)
    }
}

/// An answer that is read from its beginning.
#[derive(Debug)]
pub(crate) struct Answer {
    format: Format,
    bytes: Vec<u8>,
    at: usize,
}

/// # Panics
///
/// When the answer ends early: it is of another version then.
impl Answer {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let taken = self.bytes(N);
        taken.try_into().expect("as many bytes as asked for")
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let end = self.at + len;
        let bytes = self.bytes.get(self.at..end).expect("an answer that goes on");
        self.at = end;
        bytes.to_vec()
    }

    pub(crate) fn i8(&mut self) -> i8 {
        i8::from_be_bytes(self.take())
    }

    pub(crate) fn i16(&mut self) -> i16 {
        i16::from_be_bytes(self.take())
    }

    pub(crate) fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.take())
    }

    pub(crate) fn uuid(&mut self) -> [u8; 16] {
        self.take()
    }

    fn varint(&mut self) -> usize {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let [byte] = self.take();
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        value
    }

    /// A string, or none.
    pub(crate) fn string(&mut self) -> Option<String> {
        let len = match self.format {
            Format::Fixed => usize::try_from(self.i16()).ok(),
            Format::Compact => self.varint().checked_sub(1),
        };
        let bytes = self.bytes(len?);
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    pub(crate) fn text(&mut self) -> String {
        self.string().unwrap_or_default()
    }

    /// Bytes with an answer's own format in them.
    pub(crate) fn nested(&mut self) -> Answer {
        let len = match self.format {
            Format::Fixed => usize::try_from(self.i32()).unwrap_or(0),
            Format::Compact => self.varint().saturating_sub(1),
        };
        Answer { format: Format::Fixed, bytes: self.bytes(len), at: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The items of an array.
    pub(crate) fn array<T>(&mut self, mut item: impl FnMut(&mut Answer) -> T) -> Vec<T> {
        let len = match self.format {
            Format::Fixed => usize::try_from(self.i32()).unwrap_or(0),
            Format::Compact => self.varint().saturating_sub(1),
        };
        (0..len).map(|_| item(self)).collect()
    }

    /// Skips what is behind a structure.
    pub(crate) fn tags(&mut self) {
        if self.format == Format::Compact {
            for _ in 0..self.varint() {
                self.varint();
                let len = self.varint();
                self.bytes(len);
            }
        }
    }
}
