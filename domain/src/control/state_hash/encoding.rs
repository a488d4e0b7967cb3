//! The form of a row that its hash is taken of. Decides how each kind of value is written: numbers in eight
//! bytes, little-endian; a text or bytes with its length behind it; every element of a list and of a map
//! behind a 1, the end a 0; a variant by its number. Two different rows never have one form, and a form never
//! changes: members of two versions compare hashes. It is written only, never read.

use super::super::row::Row;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use serde::{
    Serialize, Serializer,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

/// Most rows have less; a longer one grows.
const USUAL_BYTES: usize = 224;

pub(super) fn encode(row: &Row) -> Vec<u8> {
    let mut form = Form(Vec::with_capacity(USUAL_BYTES));
    // No row of ours refuses to be written; were one to, what it wrote so far would still tell it apart.
    let _ = row.serialize(&mut form);
    form.0
}

struct Form(Vec<u8>);

/// What a type says that refuses to be written.
#[derive(Debug, thiserror::Error)]
#[error("a value refuses to be written")]
pub(super) struct Refused;

impl serde::ser::Error for Refused {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl Form {
    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        self.number(bytes.len() as u64);
    }
}

impl fmt::Write for Form {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

macro_rules! as_number {
    ($($method:ident($type:ty),)*) => {
        $(
            #[allow(clippy::cast_lossless, clippy::cast_sign_loss)]
            fn $method(self, value: $type) -> Result<(), Refused> {
                self.number(value as u64);
                Ok(())
            }
        )*
    };
}

impl Serializer for &mut Form {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    as_number! {
        serialize_bool(bool), serialize_char(char),
        serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_u64(u64),
        serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64),
    }

    fn serialize_u128(self, value: u128) -> Result<(), Refused> {
        self.0.extend_from_slice(&value.to_le_bytes());
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<(), Refused> {
        self.0.extend_from_slice(&value.to_le_bytes());
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), Refused> {
        self.serialize_u32(value.to_bits())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Refused> {
        self.serialize_u64(value.to_bits())
    }

    fn serialize_str(self, text: &str) -> Result<(), Refused> {
        self.bytes(text.as_bytes());
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Refused> {
        self.bytes(bytes);
        Ok(())
    }

    /// As `serialize_str` writes it, without a text in between: most of a row is names.
    fn collect_str<T: fmt::Display + ?Sized>(self, text: &T) -> Result<(), Refused> {
        let before = self.0.len();
        write!(self, "{text}").map_err(|_| Refused)?;
        let length = self.0.len() - before;
        self.number(length as u64);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Refused> {
        self.0.push(0);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        self.0.push(1);
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Refused> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Refused> {
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        variant: u32,
        _: &'static str,
    ) -> Result<(), Refused> {
        self.serialize_u32(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        variant: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        self.number(u64::from(variant));
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        variant: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Refused> {
        self.number(u64::from(variant));
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        variant: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Refused> {
        self.number(u64::from(variant));
        Ok(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl SerializeSeq for &mut Form {
    type Ok = ();
    type Error = Refused;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        self.0.push(1);
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Refused> {
        self.0.push(0);
        Ok(())
    }
}

impl SerializeMap for &mut Form {
    type Ok = ();
    type Error = Refused;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        self.0.push(1);
        key.serialize(&mut **self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Refused> {
        self.0.push(0);
        Ok(())
    }
}

/// Of a fixed number of fields, one after the other.
macro_rules! fields {
    ($($of:ident::$method:ident($($name:ty)?),)*) => {
        $(
            impl $of for &mut Form {
                type Ok = ();
                type Error = Refused;

                fn $method<T: Serialize + ?Sized>(
                    &mut self,
                    $(_: $name,)?
                    value: &T,
                ) -> Result<(), Refused> {
                    value.serialize(&mut **self)
                }

                fn end(self) -> Result<(), Refused> {
                    Ok(())
                }
            }
        )*
    };
}

fields! {
    SerializeTuple::serialize_element(),
    SerializeTupleStruct::serialize_field(),
    SerializeTupleVariant::serialize_field(),
    SerializeStruct::serialize_field(&'static str),
    SerializeStructVariant::serialize_field(&'static str),
}
