/**
 * Every error that typedgrad raises on purpose. A message names the operation, the broken rule, the values that were
 * tested and, where there is one, the cure; code can catch by class.
 */

/** The root of all errors raised by typedgrad. */
export class TypedgradError extends Error {
  override readonly name: string = 'TypedgradError';
}

/** Shapes that an operation cannot combine, or a view that cannot be made without a copy. */
export class ShapeError extends TypedgradError {
  override readonly name: string = 'ShapeError';
}

/** An axis or an index outside of a tensor, or a class label outside of the classes. */
export class IndexError extends TypedgradError {
  override readonly name: string = 'IndexError';
}

/** Tensors of different dtypes in one operation, or a dtype that does not exist. */
export class DTypeError extends TypedgradError {
  override readonly name: string = 'DTypeError';
}

/** An option of the wrong kind or value, or an unknown option key. */
export class OptionError extends TypedgradError {
  override readonly name: string = 'OptionError';
}

/** A gradient that does not exist, was released, or would be wrong because a saved value changed. */
export class GradError extends TypedgradError {
  override readonly name: string = 'GradError';
}

/** Bytes of a file that are truncated, corrupt or of another format. */
export class FormatError extends TypedgradError {
  override readonly name: string = 'FormatError';
}

/** A state dict that does not fit the module or optimizer it is loaded into. */
export class StateDictError extends TypedgradError {
  override readonly name: string = 'StateDictError';
}

/** Something asked of a traced value, or of a compiled program, that only a number known now could answer. */
export class TraceError extends TypedgradError {
  override readonly name: string = 'TraceError';
}

/** A thread that failed amid a run, which leaves the run incomplete. */
export class ThreadError extends TypedgradError {
  override readonly name: string = 'ThreadError';
}

/** An assertion of `typedgrad/testing` that failed. */
export class AssertionError extends TypedgradError {
  override readonly name: string = 'AssertionError';
}
