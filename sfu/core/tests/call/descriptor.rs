//! AV1's dependency descriptor as bytes among the engine's header extensions.

use str0m::rtp::{ExtensionSerializer, ExtensionValues};

pub(crate) const DESCRIPTOR_URI: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

#[derive(Debug)]
pub(crate) struct DescriptorSerializer;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Descriptor(pub(crate) Vec<u8>);

impl ExtensionSerializer for DescriptorSerializer {
    fn write_to(&self, buf: &mut [u8], values: &ExtensionValues) -> usize {
        let Some(Descriptor(bytes)) = values.user_values.get() else { return 0 };
        buf[..bytes.len()].copy_from_slice(bytes);
        bytes.len()
    }

    fn parse_value(&self, buf: &[u8], values: &mut ExtensionValues) -> bool {
        values.user_values.set(Descriptor(buf.to_vec()));
        true
    }

    fn is_video(&self) -> bool {
        true
    }

    fn is_audio(&self) -> bool {
        false
    }

    fn requires_two_byte_form(&self, values: &ExtensionValues) -> bool {
        values.user_values.get::<Descriptor>().is_some_and(|Descriptor(bytes)| bytes.len() > 16)
    }
}
