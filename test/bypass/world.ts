/** What one run of one case meets: a marker image of its own, names that nothing else has, folders, environment. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { makeTar } from '../../scripts/peers/tar.ts';
import { hostArchitecture, sha256, textImage } from '../helpers/peers.ts';
import { runProgram } from '../real/machines.ts';
import type { Case, CaseImage, Content, Input } from './case.ts';
import { imageOf, Marker, OTHER_ARCHITECTURE, pushList, pushStored } from './marker.ts';
import type { Site } from './site.ts';

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The code that dtrust's refusal ends with. */
  readonly code: string | undefined;
}

export class World {
  readonly site: Site;
  readonly marker = new Marker();
  /** The context, and a folder beside it. */
  readonly here: string;
  readonly beside: string;
  /** A path in the registry that belongs to this run. */
  readonly path: string;
  /** Repositories that have held the marker from the beginning. */
  readonly repositories: readonly string[];
  readonly #values = new Map<string, string>();
  readonly #case: Case;

  constructor(site: Site, theCase: Case, name: string) {
    this.site = site;
    this.#case = theCase;
    this.path = name;
    this.repositories = [`${name}/evil`, site.signedPath];
    const folder = path.join(site.user.home, name);
    this.here = path.join(folder, 'here');
    this.beside = path.join(folder, 'beside');
    for (const each of [this.here, this.beside]) fs.mkdirSync(each, { recursive: true });
  }

  /** Puts images and files in place; signs what is to be signed when `signing`. */
  async arrange(signing: boolean): Promise<void> {
    const { site, marker } = this;
    const image = marker.image();
    const evil = await pushStored(site.registry, `${this.path}/evil`, image, '1');
    const signedName = `${site.host}/${site.signedPath}`;
    const values = {
      evil: `${site.host}/${this.path}/evil:1`,
      'evil-name': `${site.host}/${this.path}/evil`,
      'evil-digest': evil.digest,
      'evil-id': sha256(image.config),
      'evil-hex': sha256(image.config).slice('sha256:'.length),
      'evil-short-id': sha256(image.config).slice('sha256:'.length, 'sha256:'.length + 12),
      marker: `/${marker.file}`,
      base: `${signedName}:1`,
      'base-name': signedName,
      'base-digest': site.baseStored.digest,
      host: site.host,
      port: site.host.split(':')[1] ?? '',
      arch: hostArchitecture(),
      'other-arch': OTHER_ARCHITECTURE,
      case: this.path,
      here: this.here,
      beside: this.beside,
    };
    for (const [name, value] of Object.entries(values)) this.#values.set(name, value);
    for (const kind of ['signed', 'unsigned'] as const) {
      for (const [name, wanted] of Object.entries(this.#case[kind] ?? {})) {
        const tag = `${this.path}-${name}`;
        const digest = await this.#push(wanted, tag);
        if (signing && kind === 'signed') await site.signDigest(tag, digest);
        this.#values.set(`${kind}:${name}`, `${signedName}:${tag}`);
        this.#values.set(`${kind}-digest:${name}`, digest);
      }
    }
    for (const [name, content] of Object.entries(this.#case.files ?? {})) this.write(name, content);
    await this.#case.arrange?.(this);
  }

  /** The text with names in angle brackets filled in. */
  fill(text: string): string {
    return text.replace(/<((?:un)?signed(?:-digest)?:[\w-]+|[a-z-]+)>/g, (whole, name: string) => {
      return this.#values.get(name) ?? whole;
    });
  }

  write(name: string, content: Content): void {
    const file = name.startsWith('../')
      ? path.join(this.beside, name.slice('../'.length))
      : path.join(this.here, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.rmSync(file, { force: true });
    if (typeof content === 'string') fs.writeFileSync(file, this.fill(content));
    else if ('link' in content) fs.symlinkSync(this.fill(content.link), file);
    else fs.writeFileSync(file, this.fill(content.text), content.as);
  }

  /** Takes its folders away. */
  remove(): void {
    fs.rmSync(path.dirname(this.here), { recursive: true });
  }

  /** Another name in angle brackets. */
  set(name: string, value: string): void {
    this.#values.set(name, value);
  }

  /** The marker under another tag of its repository. */
  async tagMarker(tag: string): Promise<void> {
    await pushStored(this.site.registry, `${this.path}/evil`, this.marker.image(), tag);
  }

  /** The marker where a tag of the signed repository was. */
  async moveTag(name: string): Promise<void> {
    const { registry, signedPath } = this.site;
    await pushStored(registry, signedPath, this.marker.image(), `${this.path}-${name}`);
  }

  /** A context of that name for the same engine. */
  async makeContext(name: string): Promise<void> {
    const { docker, user, engine } = this.site;
    await runProgram(docker, ['context', 'rm', '-f', name], user.env);
    const args = ['context', 'create', name, '--docker', `host=${engine.host}`];
    const made = await runProgram(docker, args, user.env);
    if (made.status !== 0) throw new Error(made.stderr);
  }

  /** The command with trust off, by the real docker. */
  plain(): Promise<Ended> {
    const { args, plainArgs = args } = this.#case;
    return this.#start(this.site.docker, plainArgs, { DOCKER_CONTENT_TRUST: '0' });
  }

  /** The command through dtrust. */
  enforced(): Promise<Ended> {
    return this.#start(process.execPath, [this.site.program, ...this.#case.args], {});
  }

  async #push({ onBuild, evil, index }: CaseImage, tag: string): Promise<string> {
    const { registry, signedPath, base } = this.site;
    const innocent = (architecture: string) => textImage(`innocent ${tag}`, architecture);
    if (index === undefined) {
      const filled = onBuild?.map((line) => this.fill(line));
      const layer = filled === undefined ? innocent(hostArchitecture()).layer : base.layer;
      const image =
        evil === true ? this.marker.image({ onBuild: filled }) : imageOf(layer, { onBuild: filled });
      return (await pushStored(registry, signedPath, image, tag)).digest;
    }
    const images = Object.entries(index).map(([architecture, what]) => ({
      architecture,
      image: what === 'evil' ? this.marker.image({ architecture }) : innocent(architecture),
    }));
    return await pushList(registry, signedPath, images, tag);
  }

  async #start(program: string, args: readonly string[], over: Readonly<Record<string, string>>) {
    const { env = {}, stdin, config } = this.#case;
    this.site.user.writeConfig(config ?? {});
    const filledEnv = Object.entries(env).map(([name, value]) => [name, this.fill(value)]);
    const child = spawn(
      program,
      args.map((each) => this.fill(each)),
      {
        cwd: this.here,
        env: { ...this.site.user.env, ...Object.fromEntries(filledEnv), ...over },
        stdio: ['pipe', 'pipe', 'pipe'],
      },
    );
    // Whoever refuses does not read it all.
    child.stdin.on('error', () => undefined);
    child.stdin.end(stdin === undefined ? '' : this.#input(stdin));
    const texts = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        texts[name] += text;
      });
    }
    return await new Promise<Ended>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status) => {
        const code = /^dtrust: (?:refused|error)[\s\S]*?\(([A-Z][A-Z_]+)\)$/m.exec(texts.stderr)?.[1];
        resolve({ status, ...texts, code });
      });
    });
  }

  #input(stdin: Input): Buffer {
    if (typeof stdin === 'string') return Buffer.from(this.fill(stdin));
    const tar = makeTar(
      stdin.tar.map(({ path: name, text = '', type, link }) => ({
        path: name,
        bytes: Buffer.from(this.fill(text)),
        ...(type === undefined ? {} : { type }),
        ...(link === undefined ? {} : { link }),
      })),
    );
    return stdin.gzip === true ? gzipSync(tar) : tar;
  }
}
