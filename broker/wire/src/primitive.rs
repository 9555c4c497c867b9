//! Varints and lengths: the few primitives that the own codecs share.

use bytes::{Buf, BufMut, Bytes};

/// Takes an unsigned varint of at most 32 bits; `None` when it is cut or longer than five bytes.
pub fn take_uvarint(from: &mut Bytes) -> Option<u32> {
    let (value, used) = peek_uvarint(from)?;
    from.advance(used);
    Some(value)
}

/// Reads an unsigned varint without taking it: value and bytes used.
pub fn peek_uvarint(from: &[u8]) -> Option<(u32, usize)> {
    let mut value = 0u32;
    for (index, &byte) in from.iter().take(5).enumerate() {
        value |= u32::from(byte & 0x7f) << (index * 7);
        if byte < 0x80 {
            return Some((value, index + 1));
        }
    }
    None
}

/// Skips a section of tagged fields (KIP-482); `None` when it is cut.
pub fn skip_tagged_fields(from: &mut Bytes) -> Option<()> {
    for _ in 0..take_uvarint(from)? {
        take_uvarint(from)?;
        let size = take_uvarint(from)? as usize;
        if size > from.len() {
            return None;
        }
        from.advance(size);
    }
    Some(())
}

/// Takes a zigzag varint of 32 bits.
pub fn take_varint(from: &mut Bytes) -> Option<i32> {
    let raw = take_uvarint(from)?;
    Some(((raw >> 1) as i32) ^ -((raw & 1) as i32))
}

/// Takes a zigzag varint of 64 bits; `None` when it is cut or longer than ten bytes.
pub fn take_varlong(from: &mut Bytes) -> Option<i64> {
    let mut raw = 0u64;
    for (index, &byte) in from.iter().take(10).enumerate() {
        raw |= u64::from(byte & 0x7f) << (index * 7);
        if byte < 0x80 {
            from.advance(index + 1);
            return Some(((raw >> 1) as i64) ^ -((raw & 1) as i64));
        }
    }
    None
}

/// Writes an unsigned varint.
pub fn put_uvarint(out: &mut impl BufMut, mut value: u32) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// Bytes of an unsigned varint.
pub fn uvarint_len(value: u32) -> usize {
    (32 - (value | 1).leading_zeros()).div_ceil(7) as usize
}

/// Writes a zigzag varint of 32 bits.
pub fn put_varint(out: &mut impl BufMut, value: i32) {
    put_uvarint(out, zigzag(value));
}

/// Bytes of a zigzag varint of 32 bits.
pub fn varint_len(value: i32) -> usize {
    uvarint_len(zigzag(value))
}

/// Writes a zigzag varint of 64 bits.
pub fn put_varlong(out: &mut impl BufMut, value: i64) {
    let mut raw = zigzag_long(value);
    while raw >= 0x80 {
        out.put_u8(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.put_u8(raw as u8);
}

/// Bytes of a zigzag varint of 64 bits.
pub fn varlong_len(value: i64) -> usize {
    (64 - (zigzag_long(value) | 1).leading_zeros()).div_ceil(7) as usize
}

fn zigzag(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

fn zigzag_long(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}
