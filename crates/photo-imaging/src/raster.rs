//! Pixels in memory: rows without padding, 8 bits a channel.

/// What the channels of a pixel are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channels {
    Gray,
    GrayAlpha,
    Rgb,
    Rgba,
    /// 255 is full ink.
    Cmyk,
}

impl Channels {
    pub(crate) const fn count(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::GrayAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }

    pub(crate) const fn has_alpha(self) -> bool {
        matches!(self, Self::GrayAlpha | Self::Rgba)
    }
}

/// A picture whose buffer is exactly width × height × channels long.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Raster {
    width: u32,
    height: u32,
    channels: Channels,
    data: Vec<u8>,
}

impl Raster {
    /// `None` if the buffer's length does not fit or a side is zero.
    pub(crate) fn new(width: u32, height: u32, channels: Channels, data: Vec<u8>) -> Option<Self> {
        let length = (width as usize).checked_mul(height as usize)?.checked_mul(channels.count())?;
        (length == data.len() && length > 0).then_some(Self { width, height, channels, data })
    }

    pub(crate) fn width(&self) -> u32 {
        self.width
    }

    pub(crate) fn height(&self) -> u32 {
        self.height
    }

    pub(crate) fn channels(&self) -> Channels {
        self.channels
    }

    pub(crate) fn data(&self) -> &[u8] {
        &self.data
    }

    pub(crate) fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// The same picture with other channels, made pixel by pixel.
    pub(crate) fn map<const FROM: usize, const TO: usize>(
        &self,
        channels: Channels,
        pixel: impl Fn([u8; FROM]) -> [u8; TO],
    ) -> Self {
        debug_assert!(self.channels.count() == FROM && channels.count() == TO);
        let (pixels, _) = self.data.as_chunks::<FROM>();
        let data = pixels.iter().flat_map(|&p| pixel(p)).collect();
        Self { width: self.width, height: self.height, channels, data }
    }

    /// The same size with other channels, from a buffer of the right length.
    pub(crate) fn with_data(&self, channels: Channels, data: Vec<u8>) -> Option<Self> {
        Self::new(self.width, self.height, channels, data)
    }
}
