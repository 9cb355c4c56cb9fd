/** A binary detached signature, armored. */
export async function armorSignature(signature: Uint8Array): Promise<string> {
  const { readSignature } = await import('openpgp');
  return (await readSignature({ binarySignature: signature })).armor();
}
