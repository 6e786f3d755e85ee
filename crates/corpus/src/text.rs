//! Splits text into parts to translate, parts that must not change, and words.
//!
//! The entry point is [`segment::Segmenter`]. It finds the lines and their marks ([`layout`]),
//! lines of program code ([`code`]), spans that no translator may change ([`protect`]) and
//! sentences ([`sentences`]), and splits those that are too long ([`budget`]). [`words`] serves
//! code-switching; [`capitals`] and [`unknown_words`] say what translators must see differently.

pub mod budget;
pub mod capitals;
pub mod code;
pub mod layout;
pub mod protect;
pub mod segment;
pub mod sentences;
pub mod unknown_words;
pub mod words;
