/** The name of an image that is being made. */

/** Whole, with registry and tag; undefined where none was given. Throws TsrunError REFERENCE_INVALID. */
export async function fullName(given: string | undefined): Promise<string | undefined> {
  if (given === undefined) return undefined;
  const { formatReference, parseReference, withDefaultTag } = await import('../registry/reference.js');
  return formatReference(withDefaultTag(parseReference(given)));
}
