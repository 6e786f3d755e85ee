//! NumPy's default generator (`numpy.random.default_rng`): PCG64 seeded by a `SeedSequence`.
//!
//! The same seed draws the same resamples as sacrebleu, so intervals and p-values can be compared
//! digit by digit instead of within sampling noise.

/// PCG XSL-RR 128/64 (O'Neill 2014).
#[derive(Debug, Clone)]
pub struct Pcg64 {
    state: u128,
    increment: u128,
    spare: Option<u32>,
}

const MULTIPLIER: u128 = 0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645;

impl Pcg64 {
    /// `numpy.random.default_rng(seed)`.
    pub fn seeded(seed: u64) -> Self {
        let words = seed_sequence(seed);
        let wide = |high: u64, low: u64| u128::from(high) << 64 | u128::from(low);
        let increment = wide(words[2], words[3]) << 1 | 1;
        let mut generator = Self {
            state: 0,
            increment,
            spare: None,
        };
        generator.step();
        generator.state = generator.state.wrapping_add(wide(words[0], words[1]));
        generator.step();
        generator
    }

    fn step(&mut self) {
        self.state = self
            .state
            .wrapping_mul(MULTIPLIER)
            .wrapping_add(self.increment);
    }

    fn next_u64(&mut self) -> u64 {
        self.step();
        let folded = (self.state >> 64) as u64 ^ self.state as u64;
        folded.rotate_right((self.state >> 122) as u32)
    }

    /// Half of a 64-bit draw; the next call returns the other half.
    fn next_u32(&mut self) -> u32 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let wide = self.next_u64();
        self.spare = Some((wide >> 32) as u32);
        wide as u32
    }

    /// A number in `0..bound`, as `Generator.choice` draws indices (Lemire 2019).
    pub fn below(&mut self, bound: u32) -> u32 {
        if bound <= 1 {
            return 0;
        }
        let mut product = u64::from(self.next_u32()) * u64::from(bound);
        if (product as u32) < bound {
            let threshold = bound.wrapping_neg() % bound;
            while (product as u32) < threshold {
                product = u64::from(self.next_u32()) * u64::from(bound);
            }
        }
        (product >> 32) as u32
    }

    /// `count` bits, as `Generator.integers(2, dtype=bool)` draws them.
    pub fn bits(&mut self, count: usize) -> Vec<bool> {
        let mut bits = Vec::with_capacity(count);
        while bits.len() < count {
            let word = self.next_u32();
            let wanted = (count - bits.len()).min(32);
            bits.extend((0..wanted).map(|bit| word >> bit & 1 == 1));
        }
        bits
    }
}

/// `SeedSequence(seed).generate_state(4, uint64)`.
fn seed_sequence(seed: u64) -> [u64; 4] {
    const POOL: usize = 4;
    let mut entropy = vec![seed as u32];
    if seed >> 32 != 0 {
        entropy.push((seed >> 32) as u32);
    }

    let mut constant = 0x43b0_d7e5u32;
    let mut hash = |value: u32| {
        let mut value = value ^ constant;
        constant = constant.wrapping_mul(0x931e_8875);
        value = value.wrapping_mul(constant);
        value ^ value >> 16
    };
    let mix = |left: u32, right: u32| {
        let mixed = left
            .wrapping_mul(0xca01_f9dd)
            .wrapping_sub(right.wrapping_mul(0x4973_f715));
        mixed ^ mixed >> 16
    };

    let mut pool = [0u32; POOL];
    for (index, slot) in pool.iter_mut().enumerate() {
        *slot = hash(entropy.get(index).copied().unwrap_or(0));
    }
    for source in 0..POOL {
        for target in 0..POOL {
            if source != target {
                pool[target] = mix(pool[target], hash(pool[source]));
            }
        }
    }

    let mut constant = 0x8b51_f9ddu32;
    let mut words = [0u32; 8];
    for (index, word) in words.iter_mut().enumerate() {
        let mut value = pool[index % POOL] ^ constant;
        constant = constant.wrapping_mul(0x58f3_8ded);
        value = value.wrapping_mul(constant);
        *word = value ^ value >> 16;
    }
    std::array::from_fn(|index| u64::from(words[2 * index + 1]) << 32 | u64::from(words[2 * index]))
}
