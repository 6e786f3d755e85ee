//! Classifiers trained, evaluated and reported on tiny random models. What they learn is little;
//! that it is reported as it was, is not.

mod made;
mod reported;
mod scored;
