//! Forward passes: whole, in parts through the cache, and sharing beginnings.

use burn::tensor::Device;
use fixtures::assert_close;
use kernels::{Precision, Segments};
use models::NamedLinears;
use models::Network;
use models::layers::Attention;

use crate::all;
use crate::fixture::Fixture;
use crate::tensors::values;

#[test]
fn hidden_states_and_logits() {
    for name in all() {
        Fixture::load(name, &Device::flex()).check_hidden_states_and_logits();
    }
}

#[test]
fn loss() {
    for name in all() {
        Fixture::load(name, &Device::flex()).check_loss();
    }
}

/// Greedy continuation of all sequences side by side through the cache.
pub fn continue_greedily(network: &Network, sequences: &[Vec<u32>], new: usize) -> Vec<Vec<u32>> {
    let mut cache = network.new_cache();
    let slots: Vec<_> = sequences.iter().map(|_| cache.open()).collect();
    let mut inputs = sequences.to_vec();
    let mut generated = vec![Vec::new(); sequences.len()];
    for _ in 0..new {
        let segments = Segments::new(inputs.iter().map(Vec::len));
        let hidden = network.forward_cached(&inputs.concat(), &segments, &mut cache, &slots);
        let logits = values(network.logits(hidden));
        let width = logits.len() / segments.tokens();
        for (row, last) in segments.last_tokens().into_iter().enumerate() {
            let start = last.unwrap() * width;
            let best = (0..width).max_by(|&a, &b| {
                logits[start + a]
                    .total_cmp(&logits[start + b])
                    .then(b.cmp(&a))
            });
            inputs[row] = vec![best.unwrap() as u32];
            generated[row].push(best.unwrap() as u32);
        }
    }
    generated
}

#[test]
fn generated_ids_alone_together_and_packed() {
    for name in all() {
        let fixture = Fixture::load(name, &Device::flex());
        let expected = &fixture.expected;
        let new = expected.generated[0].len();
        let together = continue_greedily(&fixture.network, &expected.sequences, new);
        assert_eq!(together, expected.generated, "{name}");
        let packed = fixture.network.packed(Precision::F32);
        assert_eq!(
            continue_greedily(&packed, &expected.sequences, new),
            together,
            "{name}"
        );
        for (sequence, generated) in expected.sequences.iter().zip(&expected.generated) {
            let alone = continue_greedily(&fixture.network, std::slice::from_ref(sequence), new);
            assert_eq!(alone, std::slice::from_ref(generated), "{name}");
        }
    }
}

#[test]
fn cached_states_equal_uncached_ones() {
    for name in all() {
        let fixture = Fixture::load(name, &Device::flex());
        let ids = &fixture.expected.sequences[0];
        let whole = values(fixture.network.forward(ids, &Segments::single(ids.len())));
        let mut cache = fixture.network.new_cache();
        let slot = cache.open();
        let mut parts = Vec::new();
        for part in [&ids[..4], &ids[4..5], &ids[5..]] {
            let segments = Segments::single(part.len());
            let hidden = fixture
                .network
                .forward_cached(part, &segments, &mut cache, &[slot]);
            parts.extend(values(hidden));
        }
        assert_close(&parts, &whole, 1e-5, &format!("{name}: cached states"));
    }
}

#[test]
fn a_shared_beginning_changes_nothing() {
    for name in all() {
        let fixture = Fixture::load(name, &Device::flex());
        // The beginning is longer than the windows, and so is one of the two that continue it.
        let (beginning, ends) = fixture.expected.sequences[0].split_at(5);
        let (one, other) = ends.split_at(5);
        let together = Segments::tree([(5, None), (5, Some(0)), (other.len(), Some(0))]);
        let shared = values(
            fixture
                .network
                .forward(&[beginning, one, other].concat(), &together),
        );
        let alone = |end: &[u32]| {
            let ids = [beginning, end].concat();
            values(fixture.network.forward(&ids, &Segments::single(ids.len())))
        };
        let width = shared.len() / together.tokens();
        let expected = [&alone(one)[..], &alone(other)[5 * width..]].concat();
        let what = format!("{name}: states with a shared beginning");
        assert_close(&shared, &expected, 1e-5, &what);
    }
}

#[test]
fn a_token_sees_later_ones_if_attention_is_bidirectional() {
    for name in all() {
        let fixture = Fixture::load(name, &Device::flex());
        let ids = fixture.expected.sequences[0].clone();
        let mut other = ids.clone();
        *other.last_mut().unwrap() = ids[0];
        let first = |ids: &[u32], attention| {
            let segments = Segments::single(ids.len());
            let hidden = fixture
                .network
                .forward_attending(ids, &segments, attention, None);
            values(hidden.slice_dim(0, 0..1))
        };
        let changes = |attention| first(&ids, attention) != first(&other, attention);
        assert!(!changes(Attention::Causal), "{name}");
        assert!(changes(Attention::Bidirectional), "{name}");
    }
}
