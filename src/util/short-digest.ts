/** Digests as docker's tables show them. Apart from digest.ts, because node:crypto costs a start several milliseconds. Pure. */
import type { Digest } from './digest.js';

/** docker's short form: twelve digits. */
export const shortDigest = (digest: Digest): string => digest.slice(digest.indexOf(':') + 1).slice(0, 12);
