/**
 * What systemd answers when it refuses: the name of a D-Bus error and its text, joined with the annotation that it is
 * about, if it is about one.
 *
 * Pure.
 */
import { TsrunError } from '../errors.js';
import type { Op } from '../plan/op.gen.js';
import { pointer } from '../util/pointer.js';
import { plain, quote } from '../util/quote.js';

interface Refused {
  readonly record: { readonly detail: Buffer };
  readonly op: Op | undefined;
  readonly at: string;
}

/** What a value of another type than the property's gets; systemd does not say which one. */
const WRONG_TYPE = /Unexpected message contents/;
const NOT_ALLOWED = /AccessDenied|AuthorizationRequired|AuthFailed/;

/** what: the phrase of the op. The detail is the name of the error, NUL, its text. */
export function systemdRefusal({ record, op, at }: Refused, what: string): TsrunError {
  const [name = '', text = ''] = record.detail.toString('utf8').split('\0', 2);
  const annotation = annotationOf(text, op);
  const place = annotation === undefined ? at : `${plain(annotation)}: `;
  const hint = hintOf(name, text, annotation !== undefined, op);
  return new TsrunError('EXEC_FAILED', `${place}${what}: ${quote(text, 512)} (${plain(name)})`, { hint });
}

function hintOf(name: string, text: string, annotated: boolean, op: Op | undefined): string {
  const names = op?.op === 'SYSTEMD_START_UNIT' ? op.annotated.filter((_, index) => index % 2 === 1) : [];
  if (NOT_ALLOWED.test(name))
    return 'systemd does not let this user manage units: run as root, or in a session of your own (loginctl enable-linger)';
  if (WRONG_TYPE.test(text) && names.length > 0) return `a value has the wrong type: ${names.join(', ')}`;
  return annotated
    ? 'systemd.unit(5), systemd.scope(5) and systemd.resource-control(5) have the properties'
    : 'journalctl may say more';
}

/** systemd puts no quotes around names: the property is one of the words. */
function annotationOf(text: string, op: Op | undefined): string | undefined {
  if (op?.op !== 'SYSTEMD_START_UNIT') return undefined;
  const words = text.split(/[^A-Za-z]+/);
  const at = op.annotated.findIndex((name, index) => index % 2 === 0 && words.includes(name));
  const annotation = op.annotated[at + 1];
  return at < 0 || annotation === undefined ? undefined : pointer('annotations', annotation);
}
