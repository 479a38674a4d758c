// ThumbHash (https://evanw.github.io/thumbhash/), the decoding half: a few bytes to a blurred picture.

const { PI, cos, max, min, round } = Math;

/** The picture of a hash, at most 32 pixels a side: `{ width, height, rgba }`. */
export function decode(hash) {
  const header24 = hash[0] | (hash[1] << 8) | (hash[2] << 16);
  const header16 = hash[3] | (hash[4] << 8);
  const alpha = header24 >> 23;
  const landscape = header16 >> 15;
  const lx = max(3, landscape ? (alpha ? 5 : 7) : header16 & 7);
  const ly = max(3, landscape ? header16 & 7 : alpha ? 5 : 7);
  let nibble = 0;
  const start = alpha ? 6 : 5;
  const channel = (nx, ny, scale) => {
    const factors = [];
    for (let cy = 0; cy < ny; cy++) {
      for (let cx = cy ? 0 : 1; cx * ny < nx * (ny - cy); cx++, nibble++) {
        factors.push((((hash[start + (nibble >> 1)] >> ((nibble & 1) << 2)) & 15) / 7.5 - 1) * scale);
      }
    }
    return { nx, ny, factors };
  };
  const l = channel(lx, ly, ((header24 >> 18) & 31) / 31);
  const p = channel(3, 3, (((header16 >> 3) & 63) / 63) * 1.25);
  const q = channel(3, 3, (((header16 >> 9) & 63) / 63) * 1.25);
  const a = alpha ? channel(5, 5, (hash[5] >> 4) / 15) : null;
  const constant = {
    l: (header24 & 63) / 63,
    p: ((header24 >> 6) & 63) / 31.5 - 1,
    q: ((header24 >> 12) & 63) / 31.5 - 1,
    a: alpha ? (hash[5] & 15) / 15 : 1,
  };
  const ratio = aspectRatio(hash);
  const width = round(ratio > 1 ? 32 : 32 * ratio);
  const height = round(ratio > 1 ? 32 / ratio : 32);
  const rgba = new Uint8ClampedArray(width * height * 4);
  const terms = max(lx, ly, 5);
  const waves = (size) => Array.from({ length: size }, (_, at) => Array.from({ length: terms }, (_, n) => cos((PI / size) * (at + 0.5) * n)));
  const fx = waves(width);
  const fy = waves(height);
  const sum = ({ nx, ny, factors }, dc, x, y) => {
    let value = dc;
    for (let cy = 0, j = 0; cy < ny; cy++) {
      for (let cx = cy ? 0 : 1; cx * ny < nx * (ny - cy); cx++, j++) value += factors[j] * fx[x][cx] * fy[y][cy] * 2;
    }
    return value;
  };
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i += 4) {
      const [vl, vp, vq] = [sum(l, constant.l, x, y), sum(p, constant.p, x, y), sum(q, constant.q, x, y)];
      const b = vl - (2 / 3) * vp;
      const r = (3 * vl - b + vq) / 2;
      const values = [r, r - vq, b, a ? sum(a, constant.a, x, y) : constant.a];
      values.forEach((value, n) => (rgba[i + n] = max(0, 255 * min(1, value))));
    }
  }
  return { width, height, rgba };
}

function aspectRatio(hash) {
  const alpha = hash[2] & 0x80;
  const landscape = hash[4] & 0x80;
  const lx = landscape ? (alpha ? 5 : 7) : hash[3] & 7;
  const ly = landscape ? hash[3] & 7 : alpha ? 5 : 7;
  return lx / ly;
}

/** A hash in base64 as the address of a picture. */
export function dataUrl(base64) {
  const { width, height, rgba } = decode(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)));
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  canvas.getContext("2d").putImageData(new ImageData(rgba, width, height), 0, 0);
  return canvas.toDataURL();
}

/** A tiny copy of a local file, for the time before the server has a hash of it; none if it cannot be drawn. */
export async function preview(file) {
  try {
    const picture = await createImageBitmap(file, { resizeWidth: 32, resizeQuality: "medium" });
    const canvas = Object.assign(document.createElement("canvas"), { width: picture.width, height: picture.height });
    canvas.getContext("2d").drawImage(picture, 0, 0);
    picture.close();
    return canvas.toDataURL();
  } catch {
    return undefined;
  }
}
