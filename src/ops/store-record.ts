/** The fields of a record of a store; undefined for a text that is not a JSON object. */
export function fieldsOfRecord<Fields extends object>(
  text: string,
): Partial<Record<keyof Fields, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
