//! The features that are on: a loop tells what its image says, connections read it when a client asks for versions.

use odradek_core::metadata::image::Image;
use odradek_wire::features::FinalizedFeatures;
use tokio::sync::watch;

/// The loop's end.
#[derive(Debug)]
pub(super) struct TellFeatures(watch::Sender<FinalizedFeatures>);

/// The connections' end.
#[derive(Debug, Clone)]
pub(super) struct Features(watch::Receiver<FinalizedFeatures>);

pub(super) fn channel() -> (TellFeatures, Features) {
    let (sender, receiver) = watch::channel(FinalizedFeatures::default());
    (TellFeatures(sender), Features(receiver))
}

impl TellFeatures {
    /// Tells what differs; the offset at which that was seen is its epoch.
    pub(super) fn tell(&self, image: &Image) {
        let told = |known: &FinalizedFeatures| {
            known.epoch.is_some()
                && known.levels.iter().map(|(name, level)| (name.as_str(), i32::from(*level))).eq(image.features())
        };
        if image.offset() == 0 || told(&self.0.borrow()) {
            return;
        }
        let level = |(name, level): (&str, i32)| Some((name.to_owned(), i16::try_from(level).ok()?));
        self.0.send_replace(FinalizedFeatures {
            epoch: i64::try_from(image.offset()).ok(),
            levels: image.features().filter_map(level).collect(),
        });
    }
}

impl Features {
    /// What was told last.
    pub(super) fn get(&self) -> FinalizedFeatures {
        self.0.borrow().clone()
    }
}

#[cfg(test)]
mod tests {
    use odradek_core::metadata::record::Feature;

    use super::*;

    #[test]
    fn the_epoch_grows_when_a_level_does() {
        let (tell, features) = channel();
        let mut image = Image::new();
        tell.tell(&image);
        assert_eq!(features.get(), FinalizedFeatures::default());
        let feature = |level| Feature { name: "metadata.version".to_owned(), level }.into();
        image.apply(3, &feature(26)).expect("a known level");
        tell.tell(&image);
        image.advance_to(9);
        tell.tell(&image);
        let levels = |level| vec![("metadata.version".to_owned(), level)];
        assert_eq!(features.get(), FinalizedFeatures { epoch: Some(3), levels: levels(26) });
        image.apply(12, &feature(27)).expect("a known level");
        tell.tell(&image);
        assert_eq!(features.get(), FinalizedFeatures { epoch: Some(12), levels: levels(27) });
    }
}
