/** ml-convolution: one signal, one filter, no options. Despite its name it correlates: the filter is not flipped. */
import { directConvolution, fftConvolution } from 'ml-convolution';
import { type Implementation, UnsupportedError } from 'typedgrad/testing';

export function mlConvolution(which: 'direct' | 'fft'): Implementation {
  const convolve = which === 'direct' ? directConvolution : fftConvolution;
  return {
    conv: (x, w, options) => {
      const [batch, channels, size] = x.shape;
      const [filters, , kernel] = w.shape;
      if (batch * channels * filters !== 1)
        throw new UnsupportedError('ml-convolution: more than one signal or filter');
      if (Object.entries(options).some(([key, value]) => key !== 'padding' || (value !== 'valid' && value !== 0))) {
        throw new UnsupportedError('ml-convolution: options');
      }
      if (kernel % 2 === 0) throw new UnsupportedError('ml-convolution: even kernels');
      const y = convolve(x.data, w.data, 'CUT' as never);
      return { shape: [1, 1, size - kernel + 1], data: y };
    },
  };
}
