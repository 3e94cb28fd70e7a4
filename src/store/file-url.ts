/**
 * The urls of folders, in two spellings that differ by their slashes:
 *
 * - `file:folder` and `file:/folder`: the path as written, up to a `?`, without control characters, as in a shell or a config file.
 * - `file:///folder`: a url by RFC 8089, percent-encoded, as `pathToFileURL` makes it.
 */
import { sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { WorkflowError } from "../errors.ts";

/** A folder and the options behind the question mark. */
export interface FolderUrl {
  readonly folder: string;
  readonly options: URLSearchParams;
}

/** Reads a url that begins with `file:`. @throws {WorkflowError} `invalid` with what to write instead. */
export function parseFolderUrl(url: string): FolderUrl {
  const rest = url.slice("file:".length);
  return rest.startsWith("//") ? parseEncoded(url, rest) : parsePlain(rest);
}

/** The url of an absolute path: the plain spelling where that can be read back, else the encoded one. */
export function folderUrl(path: string): string {
  return /[?\p{Cc}]/u.test(path) || path.startsWith("//") || path.startsWith("\\\\")
    ? pathToFileURL(path).href
    : `file:${path}`;
}

function parsePlain(rest: string): FolderUrl {
  const mark = rest.indexOf("?");
  const folder = mark === -1 ? rest : rest.slice(0, mark);
  if (folder.startsWith("~"))
    throw invalid(
      `the shell does not expand ~ behind file:, so ${JSON.stringify(folder)} would be a folder of that name; write file:$HOME/… for your home, or file:./~… for such a folder`,
    );
  if (/^\$[A-Z_{]/.test(folder))
    throw invalid(
      `nothing fills in ${JSON.stringify(folder)} here; let the shell do it, in double quotes, or write file:./$… for such a folder`,
    );
  if (sep === "/" && /^[a-z]:[\\/]/i.test(folder))
    throw invalid(`${JSON.stringify(folder)} is a path of Windows; write a path of this machine`);
  return checked(folder, mark === -1 ? "" : rest.slice(mark));
}

function parseEncoded(url: string, rest: string): FolderUrl {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  // Else file://data would be the folder /data, which nobody means who writes it.
  if (parsed === undefined || parsed.host !== "" || (!rest.startsWith("///") && !/^\/\/localhost\//i.test(rest)))
    throw invalid("file:// needs a third slash; write file:folder or file:/folder");
  if (parsed.hash !== "") throw invalid("the url has a part after #, which means nothing; write %23 for a # in a name");
  try {
    return checked(fileURLToPath(new URL(parsed.pathname, "file:///")), parsed.search);
  } catch (error) {
    if (error instanceof WorkflowError) throw error;
    throw invalid(
      "file:/// is followed by a percent-encoded path, and this one cannot be decoded; write %25 for a %, or file:/folder without encoding",
    );
  }
}

function checked(folder: string, search: string): FolderUrl {
  if (folder.includes("\0")) throw invalid("the url names a folder with a zero character, which no file system takes");
  return { folder, options: new URLSearchParams(search) };
}

function invalid(message: string): WorkflowError {
  return new WorkflowError("invalid", message);
}
