//! Attention of one head inside one segment.
