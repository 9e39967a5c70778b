/** How volumes are refused; the words are those that docker's clients know. Pure. */
import { type ErrorCode, TsrunError } from '../errors.js';

type VolumeCode = Extract<ErrorCode, `VOLUME_${string}`>;

export const volumeError = (code: VolumeCode, message: string, cause?: unknown): TsrunError =>
  new TsrunError(code, message, cause === undefined ? {} : { cause });

export const noSuchVolume = (name: string): TsrunError =>
  volumeError('VOLUME_NOT_FOUND', `get ${name}: no such volume`);
