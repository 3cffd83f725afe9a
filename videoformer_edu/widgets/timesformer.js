// A small TimeSformer, computed in the page: models/timesformer.py line by line, held equal to it by
// tests/widgets/test_live.py and, in a browser, by tests/browser/test_live_page.py. Tokens run (t h w), rows of `d`
// numbers one after the other; CLS is row 0.
const timesformer = (() => {
  const EPS = 1e-6;

  // A 16-bit float (IEEE 754) as a number.
  function half(bits) {
    const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }

  // Weights by their names, from 16-bit floats one after the other. shapes: [[name, count], ...].
  function unpack(shapes, bytes, offset) {
    const view = new DataView(bytes.buffer, bytes.byteOffset), weights = {};
    for (const [name, count] of shapes) {
      weights[name] = Float64Array.from({ length: count }, (_, i) => half(view.getUint16(offset + 2 * i, true)));
      offset += 2 * count;
    }
    return [weights, offset];
  }

  // The error function, to 1.2e-7 (Numerical Recipes, 3rd edition, erfc by Chebyshev polynomials).
  const CHEBYSHEV = [-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398,
    1.48851587, -0.82215223, 0.17087277];
  function erf(x) {
    const u = 1 / (1 + 0.5 * Math.abs(x));
    const tail = u * Math.exp(-x * x + CHEBYSHEV.reduceRight((sum, c) => sum * u + c, 0));
    return x < 0 ? tail - 1 : 1 - tail;
  }
  const gelu = (x) => 0.5 * x * (1 + erf(x / Math.SQRT2));

  // x (rows, d) -> (rows, out), by `name.weight` (out, d) and `name.bias`.
  function linear(x, d, weights, name) {
    const W = weights[`${name}.weight`], bias = weights[`${name}.bias`], out = bias.length, rows = x.length / d;
    const y = new Float64Array(rows * out);
    for (let r = 0; r < rows; r++) {
      for (let o = 0; o < out; o++) {
        let sum = bias[o];
        for (let i = 0, a = r * d, w = o * d; i < d; i++) sum += x[a + i] * W[w + i];
        y[r * out + o] = sum;
      }
    }
    return y;
  }

  function norm(x, d, weights, name) {
    const scale = weights[`${name}.weight`], shift = weights[`${name}.bias`], y = new Float64Array(x.length);
    for (let r = 0; r < x.length; r += d) {
      let mean = 0, variance = 0;
      for (let i = 0; i < d; i++) mean += x[r + i] / d;
      for (let i = 0; i < d; i++) variance += (x[r + i] - mean) ** 2 / d;
      const unit = 1 / Math.sqrt(variance + EPS);
      for (let i = 0; i < d; i++) y[r + i] = (x[r + i] - mean) * unit * scale[i] + shift[i];
    }
    return y;
  }

  function softmax(scores) {
    const top = Math.max(...scores), shares = scores.map((s) => Math.exp(s - top));
    const sum = shares.reduce((a, b) => a + b, 0);
    return shares.map((s) => s / sum);
  }

  // Attention within each group of rows of x (rows, d). off(head): the head says nothing. Gives y, and the shares of
  // each group: (head, q, k), one after the other.
  function attend(x, d, heads, groups, weights, name, off) {
    const qkv = linear(x, d, weights, `${name}.qkv`), e = d / heads, wide = 3 * d;
    const said = new Float64Array(x.length), shares = [];
    for (const rows of groups) {
      const own = new Float64Array(heads * rows.length ** 2);
      for (let head = 0; head < heads; head++) {
        const q0 = head * e, k0 = d + q0, v0 = 2 * d + q0;
        rows.forEach((q, i) => {
          const scores = new Float64Array(rows.length);
          rows.forEach((k, j) => {
            for (let c = 0; c < e; c++) scores[j] += qkv[q * wide + q0 + c] * qkv[k * wide + k0 + c];
            scores[j] /= Math.sqrt(e);
          });
          const row = softmax(scores);
          own.set(row, (head * rows.length + i) * rows.length);
          if (off(head)) return;
          rows.forEach((v, j) => {
            for (let c = 0; c < e; c++) said[q * d + q0 + c] += row[j] * qkv[v * wide + v0 + c];
          });
        });
      }
      shares.push(own);
    }
    return { y: linear(said, d, weights, `${name}.proj`), shares };
  }

  const add = (x, y) => x.map((value, i) => value + y[i]);
  const range = (length, of) => Array.from({ length }, (_, i) => of(i));

  // pixels (t, 3, side, side), normalised -> patches (t*n, d).
  function embed({ weights, d, patch, side }, pixels, t) {
    const across = side / patch, W = weights["patch_embed.proj.weight"], bias = weights["patch_embed.proj.bias"];
    const out = new Float64Array(t * across * across * d), volume = 3 * patch * patch;
    for (let f = 0, row = 0; f < t; f++) {
      for (let h = 0; h < across; h++) {
        for (let w = 0; w < across; w++, row++) {
          const box = new Float64Array(volume);
          for (let i = 0, c = 0; c < 3; c++) {
            for (let y = 0; y < patch; y++) {
              for (let x = 0; x < patch; x++, i++) {
                box[i] = pixels[((f * 3 + c) * side + h * patch + y) * side + w * patch + x];
              }
            }
          }
          for (let o = 0; o < d; o++) {
            let sum = bias[o];
            for (let i = 0; i < volume; i++) sum += box[i] * W[o * volume + i];
            out[row * d + o] = sum;
          }
        }
      }
    }
    return out;
  }

  // Clip in, answers out. model: { attention, weights, d, heads, depth, patch, side }. pixels: (t, 3, side, side).
  // off: names of what is knocked out: "block 1", "time", "block 0 time head 2", "block 1 space head 0" (or "joint").
  // Gives `logits`, one list for each block (the head of the model applied to CLS after it), the last one the answer,
  // and `maps`: { block, kind, groups (rows of patches, CLS is -1), shares (one array (head, q, k) for each group) }.
  function forward(model, pixels, t, off = new Set()) {
    const { weights, d, heads, depth, attention } = model, patches = embed(model, pixels, t);
    const n = patches.length / d / t, space = weights["space_positions.table"], time = weights["time_positions.table"];
    for (let row = 0; row < t * n; row++) {
      for (let i = 0; i < d; i++) {
        patches[row * d + i] += space[(1 + row % n) * d + i] + (time ? time[Math.floor(row / n) * d + i] : 0);
      }
    }
    const cls = weights.cls.map((value, i) => value + space[i]);
    const maps = [], logits = [];
    const split = attention !== "joint"; // CLS stands in front of each frame, not in front of the clip
    const stride = split ? n + 1 : t * n; // rows from frame to frame, where CLS is copied
    let x = new Float64Array((split ? t * (n + 1) : 1 + t * n) * d);
    const rowOf = (f, p) => (split ? f * stride + 1 + p : 1 + f * n + p);
    for (let f = 0; f < t; f++) {
      if (split || f === 0) x.set(cls, f * stride * d);
      for (let p = 0; p < n; p++) x.set(patches.subarray((f * n + p) * d, (f * n + p + 1) * d), rowOf(f, p) * d);
    }
    const frames = split ? range(t, (f) => range(n + 1, (i) => f * stride + i)) : [range(1 + t * n, (i) => i)];
    const tubes = range(n, (p) => range(t, (f) => rowOf(f, p)));
    const patchOf = (row) => (split ? (row % stride ? Math.floor(row / stride) * n + (row % stride) - 1 : -1) : row - 1);

    const step = (block, kind, groups, normName, name, project) => {
      const { y, shares } = attend(norm(x, d, weights, normName), d, heads, groups, weights, name,
        (head) => off.has(`block ${block} ${kind} head ${head}`));
      maps.push({ block, kind, groups: groups.map((rows) => rows.map(patchOf)), shares });
      return project ? linear(y, d, weights, project) : y;
    };
    // One CLS for the clip: what its copies were told, averaged.
    const meanOfCopies = (y) => {
      for (let i = 0; i < d; i++) {
        let mean = 0;
        for (let f = 0; f < t; f++) mean += y[f * stride * d + i] / t;
        for (let f = 0; f < t; f++) y[f * stride * d + i] = mean;
      }
      return y;
    };

    for (let block = 0; block < depth; block++) {
      const before = x, at = `blocks.${block}`;
      if (attention === "divided") {
        const update = step(block, "time", tubes, `${at}.temporal_norm`, `${at}.temporal_attention.attention`,
          `${at}.temporal_projection`);
        for (let f = 0; f < t; f++) update.fill(0, f * stride * d, (f * stride + 1) * d); // CLS takes no part in time
        if (!off.has("time")) x = add(x, update);
        x = add(x, meanOfCopies(step(block, "space", frames, `${at}.spatial_norm`, `${at}.spatial_attention.attention`)));
      } else {
        const kind = attention === "joint" ? "joint" : "space";
        x = add(x, step(block, kind, frames, `${at}.attention_norm`, `${at}.attention`));
      }
      const hidden = linear(norm(x, d, weights, `${at}.mlp_norm`), d, weights, `${at}.mlp.0`).map(gelu);
      x = add(x, linear(hidden, weights[`${at}.mlp.0.bias`].length, weights, `${at}.mlp.2`));
      if (off.has(`block ${block}`)) x = before;
      const told = new Float64Array(d); // CLS, the mean of its copies
      const copies = split ? t : 1;
      for (let f = 0; f < copies; f++) for (let i = 0; i < d; i++) told[i] += x[f * stride * d + i] / copies;
      logits.push(Array.from(linear(norm(told, d, weights, "norm"), d, weights, "head")));
    }
    return { logits, maps };
  }

  return { half, erf, unpack, softmax, forward };
})();
