//! TensorBoard event files: scalars only, which W&B and MLflow import as well.
//!
//! A file is a sequence of TFRecords (length, masked CRC-32C, payload, masked CRC-32C), each
//! holding an `Event` protocol buffer (tensorflow/core/util/event.proto).

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Field numbers of `Event`, `Summary` and `Summary.Value`.
mod field {
    pub const EVENT_WALL_TIME: u8 = 1;
    pub const EVENT_STEP: u8 = 2;
    pub const EVENT_FILE_VERSION: u8 = 3;
    pub const EVENT_SUMMARY: u8 = 5;
    pub const SUMMARY_VALUE: u8 = 1;
    pub const VALUE_TAG: u8 = 1;
    pub const VALUE_SIMPLE: u8 = 2;
}

/// Protocol-buffer wire types.
const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LENGTH_DELIMITED: u8 = 2;
const FIXED32: u8 = 5;

/// Writes one event file.
pub struct EventWriter {
    file: BufWriter<File>,
}

impl EventWriter {
    /// Creates `path`, replacing a file of that name. TensorBoard only reads files whose name
    /// contains `tfevents`. `wall_time` is in seconds since the Unix epoch.
    pub fn create(path: &Path, wall_time: f64) -> io::Result<Self> {
        let mut writer = Self {
            file: BufWriter::new(File::create(path)?),
        };
        let mut event = Message::default();
        event.double(field::EVENT_WALL_TIME, wall_time);
        event.bytes(field::EVENT_FILE_VERSION, b"brain.Event:2");
        writer.record(&event.0)?;
        writer.flush()?;
        Ok(writer)
    }

    /// Adds one event with the value of every tag after optimiser step `step`.
    pub fn scalars<'a>(
        &mut self,
        wall_time: f64,
        step: usize,
        values: impl IntoIterator<Item = (&'a str, f64)>,
    ) -> io::Result<()> {
        let mut summary = Message::default();
        for (tag, value) in values {
            let mut entry = Message::default();
            entry.bytes(field::VALUE_TAG, tag.as_bytes());
            entry.float(field::VALUE_SIMPLE, value as f32);
            summary.bytes(field::SUMMARY_VALUE, &entry.0);
        }
        let mut event = Message::default();
        event.double(field::EVENT_WALL_TIME, wall_time);
        event.integer(field::EVENT_STEP, step as u64);
        event.bytes(field::EVENT_SUMMARY, &summary.0);
        self.record(&event.0)
    }

    /// Makes everything so far visible to readers.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    fn record(&mut self, payload: &[u8]) -> io::Result<()> {
        let length = (payload.len() as u64).to_le_bytes();
        self.file.write_all(&length)?;
        self.file.write_all(&masked_crc(&length).to_le_bytes())?;
        self.file.write_all(payload)?;
        self.file.write_all(&masked_crc(payload).to_le_bytes())
    }
}

/// CRC-32C, rotated and offset as TFRecord requires, so that a record may itself contain CRCs.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

/// A protocol-buffer message under construction.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn key(&mut self, field: u8, wire_type: u8) {
        self.0.push(field << 3 | wire_type);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn integer(&mut self, field: u8, value: u64) {
        self.key(field, VARINT);
        self.varint(value);
    }

    fn double(&mut self, field: u8, value: f64) {
        self.key(field, FIXED64);
        self.0.extend(value.to_le_bytes());
    }

    fn float(&mut self, field: u8, value: f32) {
        self.key(field, FIXED32);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u8, value: &[u8]) {
        self.key(field, LENGTH_DELIMITED);
        self.varint(value.len() as u64);
        self.0.extend(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields as numbered in event.proto; TensorBoard's own reader accepts the file.
    #[test]
    fn a_scalar_event_has_the_bytes_tensorboard_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.out.tfevents.0");
        let mut writer = EventWriter::create(&path, 1.0).unwrap();
        writer.scalars(2.0, 300, [("train/loss", 0.5)]).unwrap();
        writer.flush().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let first_payload = 24;
        let event = &bytes[12 + first_payload + 4 + 12..bytes.len() - 4];
        let mut expected = vec![0x09];
        expected.extend(2f64.to_le_bytes());
        expected.extend([0x10, 0xac, 0x02, 0x2a, 0x13, 0x0a, 0x11, 0x0a, 0x0a]);
        expected.extend(b"train/loss");
        expected.extend([0x15, 0, 0, 0, 0x3f]);
        assert_eq!(event, expected);
    }

    #[test]
    fn the_crc_is_castagnoli_masked() {
        // The check value of RFC 3720 (B.4), rotated and offset by hand.
        assert_eq!(crc32c::crc32c(&[0u8; 32]), 0x8a91_36aa);
        assert_eq!(
            masked_crc(&[0u8; 32]),
            0x6d55_1522u32.wrapping_add(0xa282_ead8)
        );
    }
}
