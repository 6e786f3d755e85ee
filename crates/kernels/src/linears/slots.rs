//! Storage for the results of an operation with several results, and for their gradients.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn_flex::FlexTensor;

/// The results of one call and their gradients; clones share them.
#[derive(Debug, Clone)]
pub(super) struct Slots(Arc<Mutex<Content>>);

#[derive(Debug)]
struct Content {
    /// The results, until they are taken.
    results: Vec<Option<FlexTensor>>,
    gradients: Vec<Option<FlexTensor>>,
}

impl Slots {
    /// Empty slots of `layers` outputs and the input's source.
    pub fn new(layers: usize) -> Self {
        Self(Arc::new(Mutex::new(Content {
            results: Vec::new(),
            gradients: vec![None; layers + 1],
        })))
    }

    pub fn fill(&self, results: Vec<FlexTensor>) {
        self.content().results = results.into_iter().map(Some).collect();
    }

    /// The gradient of each result, if there is one.
    pub fn take_gradients(&self) -> Vec<Option<FlexTensor>> {
        std::mem::take(&mut self.content().gradients)
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        // Each access is a single step that cannot panic halfway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the results.
#[derive(Debug, Clone)]
pub(super) struct Part {
    slots: Slots,
    index: usize,
}

impl Part {
    pub fn new(slots: &Slots, index: usize) -> Self {
        Self {
            slots: slots.clone(),
            index,
        }
    }

    /// The result; its slot is then empty, so that its user is the only owner of its memory.
    pub fn take(&self) -> FlexTensor {
        let result = self.slots.content().results[self.index].take();
        result.expect("each result is taken once")
    }

    pub fn leave_gradient(&self, gradient: FlexTensor) {
        self.slots.content().gradients[self.index] = Some(gradient);
    }
}
