/**
 * One layer's blob becomes a tree: a thread reads it (unpack-threads.ts), tsrun-snapshot writes it. The order in which
 * layers are unpacked does not matter; what a layer needs of those below it is given afterwards (fixups.ts).
 */
import { closeSync } from 'node:fs';
import { TsrunError } from '../errors.js';
import type { StatusRecord } from '../exec/channel.js';
import { addon } from '../native/addon.js';
import { startHelper } from './helper.js';
import type { LayerLimits } from './layer.js';
import type { UnpackThreads } from './unpack-threads.js';
import type { UnpackAnswer, Unpacked } from './unpack-worker.js';

export interface UnpackRequest {
  /** Path of the blob. */
  readonly blob: string;
  /** Where to: an empty directory of ours. */
  readonly directory: string;
  readonly limits: LayerLimits;
  /** For messages: "layer sha256:…". */
  readonly subject: string;
}

export interface UnpackResult extends Unpacked {
  /** Hard links to files that are not in this layer. */
  readonly missing: readonly { readonly path: string; readonly link: string }[];
  /** Entries whose attributes the file system cannot hold. */
  readonly withoutXattrs: number;
  /** Devices that may not be made here. */
  readonly devices: number;
}

/** Throws TsrunError LAYER_INVALID, LAYER_LIMIT, SNAPSHOT_FAILED; the directory is left as it is then. */
export async function unpackBlob(request: UnpackRequest, threads: UnpackThreads): Promise<UnpackResult> {
  const [ours, theirs] = addon().socketpair('stream');
  const helper = startHelper({
    verb: 'unpack',
    args: [request.directory, 'layer'],
    stdin: theirs,
    subject: request.subject,
  });
  closeSync(theirs);
  const done = helper.done.then(
    (warnings) => ({ warnings }),
    (error: unknown) => ({ error }),
  );
  let answer: UnpackAnswer;
  try {
    answer = await threads.read({ blob: request.blob, fd: ours, limits: request.limits });
  } finally {
    closeSync(ours);
  }
  const result = await done;
  return judge(request, answer, result);
}

type HelperResult = { readonly warnings: readonly StatusRecord[] } | { readonly error: unknown };

/** A broken pipe is only the echo of what tsrun-snapshot says itself; its own broken stream that of the thread's. */
function judge({ subject }: UnpackRequest, answer: UnpackAnswer, result: HelperResult): UnpackResult {
  if ('failure' in answer) {
    const { kind, message } = answer.failure;
    if (kind === 'pipe' && 'error' in result) throw result.error;
    if (kind === 'limit') {
      throw new TsrunError('LAYER_LIMIT', `${subject}: ${message}`, {
        hint: 'an image that does this is broken or hostile',
      });
    }
    throw new TsrunError(kind === 'layer' ? 'LAYER_INVALID' : 'IO', `${subject}: ${message}`);
  }
  if ('error' in result) throw result.error;
  const { unpacked } = answer;
  const missing = result.warnings.flatMap((warning) => unpacked.hardlinks.get(warning.index) ?? []);
  const count = (call: string) => result.warnings.filter(({ syscall }) => syscall === call).length;
  return { ...unpacked, missing, withoutXattrs: count('fsetxattr'), devices: count('mknodat') };
}
