//! Text in pieces: what is translated, what must come back unchanged, and where words are.
//!
//! [`segment::Segmenter`] is the way in. It finds the lines and their marks ([`layout`]), program
//! code among them ([`code`]), spans that no translator may touch ([`protect`]) and sentences
//! ([`sentences`]), and cuts those that are too long ([`budget`]). [`words`] serves code-switching.

pub mod budget;
pub mod code;
mod latin;
pub mod layout;
pub mod protect;
pub mod segment;
pub mod sentences;
pub mod words;
