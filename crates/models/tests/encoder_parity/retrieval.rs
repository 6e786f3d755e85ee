//! A published encoder on real text.

mod with_data {
    use burn::tensor::Device;
    use kernels::{Precision, Segments};
    use models::encoders::EncoderModel;
    use models::{EncodedText, Pooling, TextInput, WeightForm};

    use crate::tensors::values;

    const SENTENCES: usize = 100;
    const LANGUAGES: [&str; 7] = [
        "por_Latn", "deu_Latn", "jpn_Jpan", "tha_Thai", "vie_Latn", "ind_Latn", "fin_Latn",
    ];

    fn sentences(language: &str) -> Vec<String> {
        let text = fixtures::data(&format!("flores/devtest/{language}.txt"));
        let text = std::fs::read_to_string(text).unwrap();
        text.lines().take(SENTENCES).map(str::to_owned).collect()
    }

    /// The embedding of each sentence, of length 1.
    fn embeddings(model: &EncoderModel, language: &str) -> Vec<Vec<f32>> {
        let encoded: Vec<EncodedText> = sentences(language)
            .iter()
            .map(|text| model.tokenizer.encode(&TextInput::Single(text), None, 512))
            .collect::<Result<_, _>>()
            .unwrap();
        let of_one = |text: &EncodedText| {
            let segments = Segments::single(text.tokens());
            let hidden = model.network.forward(&text.ids, &text.types, &segments);
            let mut mean = values(Pooling::Mean.pool(hidden, &text.spans));
            let length = mean.iter().map(|x| x * x).sum::<f32>().sqrt();
            mean.iter_mut().for_each(|x| *x /= length);
            mean
        };
        encoded.iter().map(of_one).collect()
    }

    /// multilingual-e5-small finds at least 99 of 100 translations of FLORES sentences.
    #[test]
    #[ignore = "needs multilingual-e5-small and FLORES-200"]
    fn translations_are_nearest_to_their_source() {
        let folder = fixtures::model(fixtures::MULTILINGUAL_E5_SMALL);
        let form = WeightForm::Packed(Precision::F32);
        let mut model = EncoderModel::load_as(folder, &Device::flex(), form).unwrap();
        model.tokenizer = model.tokenizer.with_prefix("query: ");
        let english = embeddings(&model, "eng_Latn");
        for language in LANGUAGES {
            let others = embeddings(&model, language);
            let nearest = |source: &Vec<f32>| {
                let cosines = others
                    .iter()
                    .map(|other| source.iter().zip(other).map(|(a, b)| a * b).sum::<f32>());
                let best = cosines.enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
                best.unwrap().0
            };
            let right = english
                .iter()
                .enumerate()
                .filter(|(index, source)| nearest(source) == *index);
            let right = right.count();
            println!("{language}: {right} of {SENTENCES}");
            assert!(right >= 99, "{language}: {right} of {SENTENCES}");
        }
    }
}
