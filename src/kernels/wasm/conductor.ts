/**
 * The conductor of a program: a module that calls the kernels of a program one after the other, each with the addresses
 * of its data as constants, so that a whole stretch of a program is one call, on one thread or on several.
 *
 * A task is a number of units of work that do not depend on each other; each is done by one thread, and none of them
 * depends on how many threads there are. Tasks follow each other with a barrier between them; a segment is a series of
 * tasks without TypeScript in between. Exported:
 *
 *   task_k(from, to, thread)                    does the units from … to - 1 of task k
 *   segment_i(thread, threads, sync): i32       does a thread's share of the tasks of segment i; not 0 if a barrier gave up
 *   barrier(threads, sync): i32                 (see barrier.ts)
 */
import { type Expr, FunctionBuilder, i32, importedFunction, invoke, type Local, op } from './assembler/assembler.ts';
import { barrierFunction } from './barrier.ts';

/** Units of work that may run at the same time. */
export interface Task {
  readonly units: number;
  /** Emits what does one unit, with scratch memory of the thread's own where it needs any. */
  emit(f: FunctionBuilder, unit: Expr<'i32'>, thread: Expr<'i32'>): void;
}

/** base + Σ value · bytes. */
export function placeAt(
  base: number,
  ...terms: readonly (readonly [value: Expr<'i32'>, bytes: number])[]
): Expr<'i32'> {
  return terms
    .filter(([, bytes]) => bytes !== 0)
    .reduce<Expr<'i32'>>((sum, [value, bytes]) => op('i32.add', sum, op('i32.mul', value, i32(bytes))), i32(base));
}

/** Fills `bytes` bytes with zeros. */
export function emitZeros(f: FunctionBuilder, address: Expr<'i32'>, bytes: number): void {
  if (bytes > 0) f.emit('memory.fill', [address, i32(0), i32(bytes)]);
}

function taskFunction(task: Task, number: number): FunctionBuilder {
  const f = new FunctionBuilder(`task_${number}`);
  const [unit, to, thread] = [f.param('i32', 'unit'), f.param('i32', 'to'), f.param('i32', 'thread')];
  if (task.units === 1) task.emit(f, i32(0), thread);
  else f.while(unit, to, 1, () => task.emit(f, unit, thread));
  return f;
}

/** Where a thread's share begins: units · thread / threads. */
function share(units: number, thread: Expr<'i32'>, threads: Local<'i32'>): Expr<'i32'> {
  return op('i32.div_u', op('i32.mul', i32(units), thread), threads);
}

function segmentFunction(
  number: number,
  tasks: readonly { readonly task: Task; readonly run: FunctionBuilder }[],
  barrier: FunctionBuilder,
): FunctionBuilder {
  const f = new FunctionBuilder(`segment_${number}`, { result: 'i32' });
  const [thread, threads, sync] = [f.param('i32', 'thread'), f.param('i32', 'threads'), f.param('i32', 'sync')];
  tasks.forEach(({ task: { units }, run }, i) => {
    const before = tasks[i - 1];
    // What one thread does alone it may do one after the other.
    if (before !== undefined && (before.task.units > 1 || units > 1)) {
      f.if(invoke(barrier, 'i32', threads, sync), () => f.return(i32(1)));
    }
    if (units === 1) f.if(op('i32.eqz', thread), () => f.call(run, i32(0), i32(1), thread));
    else f.call(run, share(units, thread, threads), share(units, op('i32.add', thread, i32(1)), threads), thread);
  });
  f.return(i32(0));
  return f;
}

/** A barrier for one thread. */
function noBarrier(): FunctionBuilder {
  const f = new FunctionBuilder('barrier', { result: 'i32' });
  f.param('i32', 'threads');
  f.param('i32', 'sync');
  f.return(i32(0));
  return f;
}

/** The module's functions, less the kernels'. `isShared` tells whether several threads can be on its memory; then it imports `wait`. */
export function conductorFunctions(segments: readonly (readonly Task[])[], isShared: boolean): FunctionBuilder[] {
  const wait = importedFunction('wait', ['i32', 'i32'], 'i32');
  const barrier = isShared ? barrierFunction(wait) : noBarrier();
  let count = 0;
  const parts = segments.map((tasks) => tasks.map((task) => ({ task, run: taskFunction(task, count++) })));
  return [
    ...(isShared ? [wait] : []),
    barrier,
    ...parts.flat().map(({ run }) => run),
    ...parts.map((tasks, i) => segmentFunction(i, tasks, barrier)),
  ];
}
