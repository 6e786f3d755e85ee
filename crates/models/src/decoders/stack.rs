//! The common structure of most decoders: a token table, blocks with rotary positions, a norm and
//! an output layer, with Llama's names.

use burn::Tensor;
use burn::module::Module;

use super::{Decoder, Shape};
use crate::checkpoint::CheckpointError;
use crate::layers::{Block, Embedding, Linear, Loader, Pass, RmsNorm, Rotary, run_blocks};

/// A decoder of such blocks, with its output layer.
#[derive(Module, Debug)]
pub struct Stack<B: Module> {
    /// Everything below the output layer.
    pub model: Trunk<B>,
    /// Output layer; `None` if it is the token table.
    pub lm_head: Option<Linear>,
    /// Factor of the rows of the token table.
    #[module(skip)]
    pub embedding_scale: Option<f32>,
    #[module(skip)]
    rotary: Vec<Rotary>,
}

/// Everything below the output layer.
#[derive(Module, Debug)]
pub struct Trunk<B: Module> {
    /// Token table.
    pub embed_tokens: Embedding,
    /// Blocks, first to last.
    pub layers: Vec<B>,
    /// Norm of the last block's output.
    pub norm: RmsNorm,
}

/// A block of a [`Stack`].
pub trait StackBlock: Block {
    /// Its linear layers, by their names within the block.
    fn linears_mut(&mut self) -> Vec<(String, &mut Linear)>;
}

impl<B: StackBlock> Stack<B> {
    /// Reads a decoder of this shape. `block` reads the block with a number and name, `norm` a norm
    /// of C values. `rotary` contains the inverse frequencies of each rotary table.
    pub(super) fn load(
        loader: &Loader<'_>,
        shape: &Shape,
        rotary: &[Vec<f32>],
        norm: impl Fn(&str) -> Result<RmsNorm, CheckpointError>,
        block: impl Fn(usize, &str) -> Result<B, CheckpointError>,
    ) -> Result<Self, CheckpointError> {
        let table = [shape.vocab_size, shape.hidden_size];
        let numbers = 0..shape.num_hidden_layers;
        let layers = numbers.map(|index| block(index, &format!("model.layers.{index}")));
        let rotary = rotary.iter();
        Ok(Self {
            model: Trunk {
                layers: layers.collect::<Result<_, _>>()?,
                embed_tokens: loader.embedding("model.embed_tokens", table)?,
                norm: norm("model.norm")?,
            },
            lm_head: loader.output_layer(
                "lm_head",
                table,
                shape.tie_word_embeddings,
                "model.embed_tokens",
            )?,
            embedding_scale: None,
            rotary: rotary
                .map(|frequencies| Rotary::new(frequencies, shape.max_position_embeddings))
                .collect(),
        })
    }
}

impl<B: StackBlock> Decoder for Stack<B> {
    fn embed(&self, ids: &[u32], _: &[u32]) -> Tensor<2> {
        let rows = self.model.embed_tokens.forward(ids);
        match self.embedding_scale {
            Some(scale) => rows * scale,
            None => rows,
        }
    }

    fn forward(&self, embedded: Tensor<2>, pass: &mut Pass<'_>) -> Tensor<2> {
        let hidden = run_blocks(&self.model.layers, embedded, pass);
        self.model.norm.forward(hidden)
    }

    fn rotary(&self) -> &[Rotary] {
        &self.rotary
    }

    fn token_table(&self) -> &Embedding {
        &self.model.embed_tokens
    }

    fn output_layer(&self) -> &Option<Linear> {
        &self.lm_head
    }

    fn output_layer_mut(&mut self) -> &mut Option<Linear> {
        &mut self.lm_head
    }

    fn linears_mut(&mut self) -> Vec<(String, &mut Linear)> {
        let blocks = self.model.layers.iter_mut().enumerate();
        let of_block = blocks.flat_map(|(index, block)| {
            let layers = block.linears_mut().into_iter();
            layers.map(move |(name, layer)| (format!("model.layers.{index}.{name}"), layer))
        });
        of_block.collect()
    }
}
