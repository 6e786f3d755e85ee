//! The share of an answer that is copied from its question.

use std::collections::HashSet;

/// Length of a run that counts as copied: longer than most stems, shorter than most phrases.
const RUN: usize = 6;

/// Share of a question that is most of it.
pub(super) const MOST: f64 = 0.5;

/// Whether `answer` repeats `question`: at least `share` of the answer is copied from the question,
/// and that is most of the question. A short answer that takes up the question's words is none.
///
/// ```
/// use evaluation::task::repeats;
/// let question = "Qual é o valor de f(2) se f(x) = 2x + 1? Explique o seu raciocínio.";
/// assert!(repeats("Qual é o valor de f(2) se f(x) = 2x + 1?", question, 0.8));
/// assert!(!repeats("O valor de f(2) é 5.", question, 0.8));
/// ```
pub fn repeats(answer: &str, question: &str, share: f64) -> bool {
    overlap(answer, question) >= share && overlap(question, answer) >= MOST
}

/// The share, 0 to 1, of an answer's letters and digits that belong to runs of at least six that
/// also occur in the question, in any order.
///
/// Case, white space and punctuation are ignored, so a question repeated as a statement or with its
/// words moved is still a copy, and scripts without spaces are treated alike. An answer shorter
/// than one run is compared as a whole.
///
/// ```
/// use evaluation::task::overlap;
/// let question = "Quais são as maneiras de lidar com o estresse?";
/// assert_eq!(overlap("Quais são as maneiras de lidar com o estresse?", question), 1.0);
/// assert!(overlap("As maneiras de lidar com o estresse são: dormir, correr e ler.", question) > 0.5);
/// assert!(overlap("Dormir bem e fazer exercício ajuda.", question) < 0.1);
/// ```
pub fn overlap(answer: &str, question: &str) -> f64 {
    let (answer, question) = (letters(answer), letters(question));
    if answer.is_empty() {
        return 0.0;
    }
    let run = RUN.min(answer.len());
    let known: HashSet<&[char]> = question.windows(run).collect();
    let mut copied = vec![false; answer.len()];
    for (start, window) in answer.windows(run).enumerate() {
        if known.contains(window) {
            copied[start..start + run].fill(true);
        }
    }
    copied.iter().filter(|&&copied| copied).count() as f64 / answer.len() as f64
}

fn letters(text: &str) -> Vec<char> {
    text.chars()
        .filter(|character| character.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_answers_that_quote_the_question_are_not_copies() {
        let share = overlap(
            "A capital do Brasil é Brasília.",
            "Qual é a capital do Brasil?",
        );
        assert!((0.5..0.8).contains(&share), "{share}");
    }

    #[test]
    fn an_answer_in_the_words_of_a_long_question_does_not_repeat_it() {
        let question =
            "Quantas vezes uma pessoa pisca os olhos por dia? Explique sua resposta passo a passo.";
        let short = "A resposta é: 1.";
        assert!(overlap(short, question) > 0.8);
        assert!(!repeats(short, question, 0.8));
        let half = "Quantas vezes uma pessoa pisca os olhos por dia?";
        assert!(repeats(half, question, 0.8));
        assert!(!repeats("Sim", "Sim ou não?", 0.8));
        assert!(!repeats("", question, 0.8));
    }

    #[test]
    fn scripts_without_spaces_are_measured_alike() {
        let question = "日本の首都はどこですか？詳しく説明してください。";
        assert_eq!(overlap(question, question), 1.0);
        assert_eq!(overlap("東京です。", question), 0.0);
    }

    #[test]
    fn empty_and_tiny_answers() {
        assert_eq!(overlap("", "A question"), 0.0);
        assert_eq!(overlap("?!", "A question?!"), 0.0);
        assert_eq!(overlap("Sim", "Sim ou não?"), 1.0);
        assert_eq!(overlap("Talvez", ""), 0.0);
    }
}
