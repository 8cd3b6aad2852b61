/** The last values under ascending keys, at most so many: what is older falls out. */
export class Ring<T> {
  private values: (readonly [number, T])[] = [];

  constructor(private readonly most: number) {}

  /** Puts a value in its place; what stood under that key is replaced if `better` says so. */
  put(key: number, value: T, better: (old: T) => boolean = () => true): boolean {
    const at = this.values.findLastIndex(([other]) => other <= key);
    const found = this.values[at];
    if (found?.[0] === key) {
      if (!better(found[1])) return false;
      this.values = this.values.with(at, [key, value]);
      return true;
    }
    if (at < 0 && this.values.length >= this.most) return false;
    this.values = this.values.toSpliced(at + 1, 0, [key, value]).slice(-this.most);
    return true;
  }

  /** Oldest first. The array is never changed afterwards. */
  entries(): readonly (readonly [number, T])[] {
    return this.values;
  }

  clear(): void {
    this.values = [];
  }
}
