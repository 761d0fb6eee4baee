//! A picture of about 100 KB that stands for a QR code.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

/// Pixels a side; one byte each, not compressed, makes about 100 KB as real ones have.
const SIDE: u32 = 320;
/// Pixels a side of one module of the pattern.
const MODULE: u32 = 8;

/// A valid greyscale PNG whose pattern depends on `seed`. It carries no code.
pub(super) fn png(seed: u64) -> io::Result<Bytes> {
    let mut header = Vec::new();
    header.extend_from_slice(&SIDE.to_be_bytes());
    header.extend_from_slice(&SIDE.to_be_bytes());
    // Eight bits, greyscale, and the only methods there are (PNG §11.2.2).
    header.extend_from_slice(&[8, 0, 0, 0, 0]);
    let mut picture = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut picture, b"IHDR", &header);
    chunk(&mut picture, b"IDAT", &pixels(seed)?);
    chunk(&mut picture, b"IEND", b"");
    Ok(picture.into())
}

fn pixels(seed: u64) -> io::Result<Vec<u8>> {
    let mut dice = fastrand::Rng::with_seed(seed);
    let modules = SIDE / MODULE;
    let pattern: Vec<bool> = (0..modules * modules).map(|_| dice.bool()).collect();
    let mut rows = ZlibEncoder::new(Vec::new(), Compression::none());
    for y in 0..SIDE {
        // Each row begins with its filter: none.
        rows.write_all(&[0])?;
        let line = &pattern[(y / MODULE * modules) as usize..][..modules as usize];
        for &dark in line {
            rows.write_all(&[if dark { 0 } else { 255 }; MODULE as usize])?;
        }
    }
    rows.finish()
}

fn chunk(picture: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    let mut check = Crc::new();
    check.update(kind);
    check.update(data);
    picture.extend_from_slice(&(data.len() as u32).to_be_bytes());
    picture.extend_from_slice(kind);
    picture.extend_from_slice(data);
    picture.extend_from_slice(&check.sum().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_has_the_size_of_a_real_one_and_follows_its_seed() {
        let picture = png(1).unwrap();
        assert!((100_000..110_000).contains(&picture.len()), "{}", picture.len());
        assert!(picture.starts_with(b"\x89PNG") && picture.ends_with(b"IEND\xae\x42\x60\x82"));
        assert_eq!(picture, png(1).unwrap());
        assert_ne!(picture, png(2).unwrap());
    }
}
