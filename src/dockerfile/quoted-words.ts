/** Words as ARG, ENV and LABEL split them: quotes and escapes keep blanks together and stay in the word. */
import { isSpace } from './space.ts';

/** The words of a text, as written. */
export function quotedWords(text: string, escapeToken: string): readonly string[] {
  const chars = [...text];
  const words: string[] = [];
  let word = '';
  let isWord = false;
  let quote = '';
  const end = (): void => {
    if (isWord) words.push(word);
    word = '';
    isWord = false;
  };
  for (let i = 0; i < chars.length; i += 1) {
    const char = chars[i] ?? '';
    if (quote === '' && isSpace(char)) {
      end();
      continue;
    }
    if (char === escapeToken && quote !== "'") {
      // At the very end it is dropped.
      if (i + 1 === chars.length) break;
      i += 1;
      word += char + (chars[i] ?? '');
      isWord = true;
      continue;
    }
    if (quote === '' && (char === "'" || char === '"')) quote = char;
    else if (char === quote) quote = '';
    word += char;
    isWord = true;
  }
  end();
  return words;
}
