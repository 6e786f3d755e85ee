//! Finds the Python names that a pickle mentions, without running it.
//!
//! A pickle can reach a function or class only by name, with the opcodes GLOBAL, INST and
//! STACK_GLOBAL. The opcodes are those of CPython's `pickletools.py`.

use std::collections::HashMap;

/// Scans one pickle at the start of `bytes` and returns its length. Fails on the first name that is
/// neither a tensor nor plain data, and if the pickle is truncated.
pub(super) fn check(bytes: &[u8]) -> Result<usize, String> {
    let mut walk = Walk {
        rest: bytes,
        pushed: [None, None],
        memo: HashMap::new(),
    };
    while walk.step()? {}
    Ok(bytes.len() - walk.rest.len())
}

/// Progress through a pickle.
struct Walk<'a> {
    rest: &'a [u8],
    /// The last two values pushed, if they are strings: the operands of STACK_GLOBAL.
    pushed: [Option<&'a [u8]>; 2],
    /// Memoised strings by index; `None` for values of other types.
    memo: HashMap<u32, Option<&'a [u8]>>,
}

impl<'a> Walk<'a> {
    /// Reads one opcode; returns false at the end.
    fn step(&mut self) -> Result<bool, String> {
        let opcode = self.number::<1>()? as u8;
        match opcode {
            b'.' => return Ok(false),
            // Strings.
            b'U' | 0x8c => self.counted::<1>(true)?,
            b'T' | b'X' => self.counted::<4>(true)?,
            0x8d => self.counted::<8>(true)?,
            b'V' | b'S' => {
                let text = self.line()?;
                self.push(Some(text));
            }
            // Bytes and long integers.
            b'C' | 0x8a => self.counted::<1>(false)?,
            b'B' | 0x8b => self.counted::<4>(false)?,
            0x8e | 0x96 => self.counted::<8>(false)?,
            // Numbers.
            b'K' => self.skip(1)?,
            b'M' => self.skip(2)?,
            b'J' => self.skip(4)?,
            b'G' => self.skip(8)?,
            b'I' | b'L' | b'F' | b'P' => {
                self.line()?;
                self.push(None);
            }
            // The memo.
            b'q' => {
                let index = self.number::<1>()?;
                self.remember(index);
            }
            b'r' => {
                let index = self.number::<4>()?;
                self.remember(index);
            }
            b'p' => {
                let index = self.decimal()?;
                self.remember(index);
            }
            0x94 => self.remember(self.memo.len() as u64),
            b'h' => {
                let index = self.number::<1>()?;
                self.recall(index);
            }
            b'j' => {
                let index = self.number::<4>()?;
                self.recall(index);
            }
            b'g' => {
                let index = self.decimal()?;
                self.recall(index);
            }
            // Names.
            b'c' | b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                allow(module, name)?;
                self.push(None);
            }
            0x93 => match self.pushed {
                [Some(module), Some(name)] => {
                    allow(module, name)?;
                    self.push(None);
                }
                _ => {
                    return Err(
                        "its pickle asks for a name that it computes; it is no plain \
                                checkpoint, and nothing of it is read"
                            .into(),
                    );
                }
            },
            // Version and frames do not change values.
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            // Opcodes that build, move or discard values have no argument.
            b'('
            | b'0'
            | b'1'
            | b'2'
            | b'N'
            | b'R'
            | b'b'
            | b'd'
            | b'l'
            | b't'
            | b's'
            | b'a'
            | b')'
            | b']'
            | b'}'
            | b'e'
            | b'u'
            | b'o'
            | b'Q'
            | 0x81
            | 0x85..=0x89
            | 0x8f..=0x92 => self.push(None),
            _ => {
                return Err(format!(
                    "its pickle has the opcode {opcode:#04x}, which checkpoints do not use"
                ));
            }
        }
        Ok(true)
    }

    fn push(&mut self, text: Option<&'a [u8]>) {
        self.pushed = [self.pushed[1], text];
    }

    fn remember(&mut self, index: u64) {
        self.memo.insert(index as u32, self.pushed[1]);
    }

    fn recall(&mut self, index: u64) {
        let text = self.memo.get(&(index as u32)).copied().flatten();
        self.push(text);
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or("its pickle is truncated; download the file again")?;
        self.rest = rest;
        Ok(taken)
    }

    fn skip(&mut self, count: usize) -> Result<(), String> {
        self.take(count)?;
        self.push(None);
        Ok(())
    }

    /// A little-endian number of N ≤ 8 bytes.
    fn number<const N: usize>(&mut self) -> Result<u64, String> {
        let mut bytes = [0; 8];
        bytes[..N].copy_from_slice(self.take(N)?);
        Ok(u64::from_le_bytes(bytes))
    }

    /// A value after its length, a number of N bytes.
    fn counted<const N: usize>(&mut self, is_text: bool) -> Result<(), String> {
        let length = usize::try_from(self.number::<N>()?).unwrap_or(usize::MAX);
        let value = self.take(length)?;
        self.push(is_text.then_some(value));
        Ok(())
    }

    fn line(&mut self) -> Result<&'a [u8], String> {
        let end = self.rest.iter().position(|&byte| byte == b'\n');
        let end = end.ok_or("its pickle is truncated; download the file again")?;
        let line = self.take(end + 1)?;
        let line = &line[..end];
        Ok(line.strip_suffix(b"\r").unwrap_or(line))
    }

    fn decimal(&mut self) -> Result<u64, String> {
        let line = self.line()?;
        std::str::from_utf8(line)
            .ok()
            .and_then(|line| line.trim().parse().ok())
            .ok_or_else(|| "its pickle has an invalid index".into())
    }
}

/// Fails unless a name denotes tensors or plain data.
fn allow(module: &[u8], name: &[u8]) -> Result<(), String> {
    let module = String::from_utf8_lossy(module);
    let name = String::from_utf8_lossy(name);
    if is_allowed(&module, &name) {
        return Ok(());
    }
    Err(format!(
        "its pickle asks for `{module}.{name}`, which is neither a tensor nor plain data; nothing \
         of it was executed or read. Do not load this file with Python unless you know who made \
         it; ask for a safetensors file instead"
    ))
}

fn is_allowed(module: &str, name: &str) -> bool {
    match module {
        "collections" => matches!(name, "OrderedDict" | "defaultdict"),
        "builtins" | "__builtin__" => matches!(
            name,
            "set"
                | "frozenset"
                | "dict"
                | "list"
                | "tuple"
                | "int"
                | "float"
                | "bool"
                | "str"
                | "bytes"
                | "bytearray"
                | "complex"
        ),
        "torch._utils" => matches!(
            name,
            "_rebuild_tensor"
                | "_rebuild_tensor_v2"
                | "_rebuild_tensor_v3"
                | "_rebuild_parameter"
                | "_rebuild_parameter_with_state"
        ),
        "torch._tensor" => name == "_rebuild_from_type_v2",
        "torch.nn.parameter" => name == "Parameter",
        "torch.storage" => matches!(name, "TypedStorage" | "_TypedStorage" | "UntypedStorage"),
        "torch" => {
            matches!(
                name,
                "Size"
                    | "device"
                    | "Tensor"
                    | "float16"
                    | "float32"
                    | "float64"
                    | "bfloat16"
                    | "int8"
                    | "int16"
                    | "int32"
                    | "int64"
                    | "uint8"
                    | "bool"
            ) || name
                .strip_suffix("Storage")
                .is_some_and(|kind| kind.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        }
        // NumPy numbers and byte strings, as used for scores and random states.
        "numpy" => matches!(name, "dtype" | "ndarray"),
        "numpy.core.multiarray" | "numpy._core.multiarray" => {
            matches!(name, "scalar" | "_reconstruct")
        }
        "_codecs" => name == "encode",
        // Hyper-parameters of PyTorch Lightning and, in old versions, keys of its callbacks.
        "argparse" => name == "Namespace",
        "pytorch_lightning.utilities.parsing" | "lightning_fabric.utilities.data" => {
            name == "AttributeDict"
        }
        _ => [
            "pytorch_lightning.callbacks.",
            "lightning.pytorch.callbacks.",
        ]
        .iter()
        .any(|prefix| module.starts_with(prefix)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `pickle.dumps(OrderedDict(a=1), protocol=2)` writes.
    const DICTIONARY: &[u8] =
        b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01X\x01\x00\x00\x00aq\x02K\x01s.";

    #[test]
    fn plain_data_passes_and_its_length_is_known() {
        let mut bytes = DICTIONARY.to_vec();
        bytes.extend(b"rest");
        assert_eq!(check(&bytes), Ok(DICTIONARY.len()));
    }

    #[test]
    fn a_call_of_the_shell_is_refused_by_name() {
        let by_global = b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R.";
        let by_stack = b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x8c\x04true\x85R.";
        let by_memo = b"\x80\x04\x8c\x05posix\x940\x8c\x06system\x940h\x00h\x01\x93)R.";
        let by_instance = b"(S'true'\niposix\nsystem\n.";
        for pickle in [&by_global[..], by_stack, by_memo, by_instance] {
            let error = check(pickle).unwrap_err();
            assert!(error.contains("`posix.system`"), "{error}");
        }
    }

    #[test]
    fn a_computed_name_is_refused() {
        let pickle = b"\x80\x04\x8c\x05posix(\x8c\x06systemt\x93.";
        assert!(check(pickle).unwrap_err().contains("computes"));
    }

    #[test]
    fn every_truncation_is_an_error() {
        for length in 0..DICTIONARY.len() {
            assert!(check(&DICTIONARY[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn extensions_are_refused() {
        assert!(check(b"\x80\x02\x82\x01.").unwrap_err().contains("0x82"));
    }
}
