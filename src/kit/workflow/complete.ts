/**
 * T with all its fields written out, those that may be absent too. Made at once in one literal such an object is several
 * times cheaper than one that is spread together or grows, and a field that is added later cannot be forgotten.
 */
export type Complete<T> = { [Field in keyof Required<T>]: T[Field] };
