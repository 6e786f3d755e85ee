//! The thinking that reasoning models write before their answer.

/// Marks around the thinking of reasoning models: DeepSeek-R1, Qwen 3 and their kin; Magistral;
/// others.
const MARKS: [(&str, &str); 5] = [
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
];

/// The answer in `text` without the thinking before it. Thinking that never ends leaves nothing. If
/// the prompt already opened it, as some chat templates do, only its end is in the text.
pub fn without_reasoning(text: &str) -> &str {
    let text = text.trim();
    for (open, close) in MARKS {
        if let Some(thinking) = text.strip_prefix(open) {
            let answer = thinking.split_once(close).map_or("", |(_, answer)| answer);
            return answer.trim_start();
        }
        if let Some((thinking, answer)) = text.split_once(close)
            && !thinking.contains(open)
        {
            return answer.trim_start();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinking_is_cut_off_and_nothing_else() {
        for (text, answer) in [
            ("<think>\nShort.\n</think>\n\nIt is 4.", "It is 4."),
            ("<think></think>It is 4.", "It is 4."),
            ("So, I add.\n</think>\n\nIt is 4.", "It is 4."),
            (" [THINK]Add.[/THINK]It is 4.", "It is 4."),
            ("<think>\nI never come to an", ""),
            ("It is 4.", "It is 4."),
            ("", ""),
            (
                "Write <think> and </think> around it.",
                "Write <think> and </think> around it.",
            ),
            (
                "<think>a</think>Use </think> at the end.",
                "Use </think> at the end.",
            ),
        ] {
            assert_eq!(without_reasoning(text), answer, "{text}");
        }
    }
}
