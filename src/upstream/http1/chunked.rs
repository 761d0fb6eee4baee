//! Chunks (RFC 9112 §7.1), as strictly as hyper reads them: a line ends with CR LF, and nothing is guessed.

use bytes::{Buf, Bytes, BytesMut};

use super::Malformed;
use super::head::MOST_FIELDS;

/// Bytes of chunk extensions in one body at most, and of trailers; hyper's limits too.
const LONGEST_EXTRAS: usize = 16 * 1024;

/// Reads chunks.
#[derive(Debug)]
pub(super) struct Chunks {
    place: Place,
    /// Of the present chunk, what is still to come.
    left: u64,
    extensions: usize,
    /// The trailers as they came. They are looked at and dropped (RFC 9110 §6.5.1).
    trailers: Vec<u8>,
    /// How many lines they are, by CR LF: a line feed alone makes no further one.
    lines: usize,
}

/// What the next byte is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The first digit of a length.
    Start,
    Length,
    /// White space behind a length.
    Space,
    Extension,
    LengthEnd,
    Data,
    DataCr,
    DataLf,
    /// The first byte of a line behind the last chunk.
    LineStart,
    Trailer,
    TrailerEnd,
    LastLf,
    Ended,
}

impl Chunks {
    pub(super) fn new() -> Self {
        Self { place: Place::Start, left: 0, extensions: 0, trailers: Vec::new(), lines: 0 }
    }

    /// Whether the last chunk and what follows it have come.
    pub(super) fn ended(&self) -> bool {
        self.place == Place::Ended
    }

    /// The next piece of data; `None` where more bytes must come first, or none will.
    pub(super) fn next(&mut self, received: &mut BytesMut) -> Result<Option<Bytes>, Malformed> {
        while !self.ended() && !received.is_empty() {
            if self.place == Place::Data {
                let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(received.len());
                self.left -= length as u64;
                if self.left == 0 {
                    self.place = Place::DataCr;
                }
                return Ok(Some(received.split_to(length).freeze()));
            }
            self.place = self.step(received.get_u8()).map_err(Malformed::Chunks)?;
        }
        Ok(None)
    }

    fn step(&mut self, byte: u8) -> Result<Place, &'static str> {
        Ok(match (self.place, byte) {
            (Place::Start | Place::Length, digit) if digit.is_ascii_hexdigit() => self.digit(digit)?,
            (Place::Length | Place::Space, b' ' | b'\t') => Place::Space,
            (Place::Length | Place::Space, b';') => Place::Extension,
            (Place::Length | Place::Space | Place::Extension, b'\r') => Place::LengthEnd,
            (Place::Start | Place::Length | Place::Space, _) => return Err("no length"),
            (Place::Extension, b'\n') => return Err("a line in an extension"),
            (Place::Extension, _) => self.extension()?,
            (Place::LengthEnd, b'\n') if self.left == 0 => Place::LineStart,
            (Place::LengthEnd, b'\n') => Place::Data,
            (Place::DataCr, b'\r') => Place::DataLf,
            (Place::DataLf, b'\n') => Place::Start,
            (Place::LineStart, b'\r') => Place::LastLf,
            (Place::LineStart | Place::Trailer, _) => self.trailer(byte)?,
            (Place::TrailerEnd, b'\n') => self.line(byte)?,
            (Place::LastLf, b'\n') => self.check_trailers()?,
            (Place::LengthEnd | Place::DataCr | Place::DataLf | Place::TrailerEnd | Place::LastLf, _) => {
                return Err("no end of a line");
            }
            (Place::Data | Place::Ended, _) => return Err("nothing was to be read"),
        })
    }

    fn digit(&mut self, digit: u8) -> Result<Place, &'static str> {
        let value = char::from(digit).to_digit(16).unwrap_or_default();
        let longer = self.left.checked_mul(16).and_then(|left| left.checked_add(u64::from(value)));
        self.left = longer.ok_or("a length beyond all measure")?;
        Ok(Place::Length)
    }

    fn extension(&mut self) -> Result<Place, &'static str> {
        self.extensions += 1;
        if self.extensions < LONGEST_EXTRAS { Ok(Place::Extension) } else { Err("too many extensions") }
    }

    fn trailer(&mut self, byte: u8) -> Result<Place, &'static str> {
        self.trailers.push(byte);
        match byte {
            _ if self.trailers.len() >= LONGEST_EXTRAS => Err("too many trailers"),
            b'\r' => Ok(Place::TrailerEnd),
            _ => Ok(Place::Trailer),
        }
    }

    fn line(&mut self, byte: u8) -> Result<Place, &'static str> {
        if self.lines >= MOST_FIELDS {
            return Err("too many trailers");
        }
        self.lines += 1;
        self.trailer(byte).map(|_| Place::LineStart)
    }

    fn check_trailers(&mut self) -> Result<Place, &'static str> {
        self.trailers.extend_from_slice(b"\r\n");
        let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
        match httparse::parse_headers(&self.trailers, &mut fields[..self.lines]) {
            Ok(httparse::Status::Complete(_)) => Ok(Place::Ended),
            Ok(httparse::Status::Partial) | Err(_) => Err("the trailers do not parse"),
        }
    }
}
