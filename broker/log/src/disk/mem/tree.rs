//! Names: those that are there, and the changes that a power loss would undo.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::SplitMix;
use super::file::Inode;
use crate::disk::DirEntry;

#[derive(Debug, Clone)]
enum Node {
    Dir,
    File(Arc<Inode>),
}

type Names = BTreeMap<PathBuf, Node>;

/// A change of names in one folder that is not safe yet.
#[derive(Debug, Clone)]
enum Change {
    Set(PathBuf, Node),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

#[derive(Debug, Default)]
pub(super) struct Tree {
    live: Names,
    safe: Names,
    pending: BTreeMap<PathBuf, VecDeque<Change>>,
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{} does not exist", path.display()))
}

fn parent(path: &Path) -> PathBuf {
    path.parent().map(Path::to_owned).unwrap_or_default()
}

fn apply(names: &mut Names, change: Change) {
    match change {
        Change::Set(path, node) => {
            names.insert(path, node);
        }
        Change::Remove(path) => {
            let below: Vec<PathBuf> = names.keys().filter(|p| p.starts_with(&path)).cloned().collect();
            for path in below {
                names.remove(&path);
            }
        }
        Change::Rename(from, to) => {
            let moved: Vec<PathBuf> = names.keys().filter(|p| p.starts_with(&from)).cloned().collect();
            for old in moved {
                if let Some(node) = names.remove(&old) {
                    let rest = old.strip_prefix(&from).unwrap_or(Path::new(""));
                    // Joining an empty path would add a slash.
                    let new = if rest.as_os_str().is_empty() { to.clone() } else { to.join(rest) };
                    names.insert(new, node);
                }
            }
        }
    }
}

impl Tree {
    fn is_dir(&self, path: &Path) -> bool {
        // The root, and the working folder of a relative path, are always there.
        path.as_os_str().is_empty() || path.parent().is_none() || matches!(self.live.get(path), Some(Node::Dir))
    }

    fn change(&mut self, dir: PathBuf, change: Change) {
        apply(&mut self.live, change.clone());
        self.pending.entry(dir).or_default().push_back(change);
    }

    pub(super) fn file(&self, path: &Path) -> io::Result<Option<Arc<Inode>>> {
        match self.live.get(path) {
            Some(Node::File(inode)) => Ok(Some(Arc::clone(inode))),
            Some(Node::Dir) => Err(io::Error::from(io::ErrorKind::IsADirectory)),
            None => Ok(None),
        }
    }

    pub(super) fn create_file(&mut self, path: &Path, inode: Arc<Inode>) -> io::Result<()> {
        let dir = parent(path);
        if !self.is_dir(&dir) {
            return Err(not_found(&dir));
        }
        self.change(dir, Change::Set(path.to_owned(), Node::File(inode)));
        Ok(())
    }

    pub(super) fn create_dir_all(&mut self, dir: &Path) -> io::Result<()> {
        if self.is_dir(dir) {
            return Ok(());
        }
        if self.live.contains_key(dir) {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        let above = parent(dir);
        self.create_dir_all(&above)?;
        self.change(above, Change::Set(dir.to_owned(), Node::Dir));
        Ok(())
    }

    pub(super) fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        if !self.is_dir(dir) {
            return Err(not_found(dir));
        }
        let mut entries = Vec::new();
        for (path, node) in self.live.range(dir.to_owned()..) {
            if !path.starts_with(dir) {
                break;
            }
            if path.parent() != Some(dir) {
                continue;
            }
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            entries.push(match node {
                Node::Dir => DirEntry { name, is_dir: true, len: 0 },
                Node::File(inode) => DirEntry { name, is_dir: false, len: inode.len() },
            });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let Some(node) = self.live.get(from) else { return Err(not_found(from)) };
        if from == to {
            return Ok(());
        }
        let from_dir = matches!(node, Node::Dir);
        match self.live.get(to) {
            Some(Node::Dir) if !from_dir => return Err(io::Error::from(io::ErrorKind::IsADirectory)),
            Some(Node::Dir) if !self.list(to)?.is_empty() => {
                return Err(io::Error::from(io::ErrorKind::DirectoryNotEmpty));
            }
            Some(Node::File(_)) if from_dir => return Err(io::Error::from(io::ErrorKind::NotADirectory)),
            _ => {}
        }
        let target = parent(to);
        if !self.is_dir(&target) {
            return Err(not_found(&target));
        }
        let source = parent(from);
        if source != target {
            // One journal entry for both folders: make what is pending in the source safe first, so that the order
            // of the two queues cannot matter.
            self.sync_dir(&source)?;
        }
        self.change(target, Change::Rename(from.to_owned(), to.to_owned()));
        self.move_pending(from);
        Ok(())
    }

    /// Changes inside a renamed folder wait under its new name.
    fn move_pending(&mut self, from: &Path) {
        let moved: Vec<PathBuf> = self.pending.keys().filter(|p| p.starts_with(from)).cloned().collect();
        if moved.is_empty() {
            return;
        }
        // Their paths have the old name; they are made safe now, which a journal that is written in order does too.
        for dir in moved {
            for change in self.pending.remove(&dir).unwrap_or_default() {
                apply(&mut self.safe, change);
            }
        }
    }

    pub(super) fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        match self.live.get(path) {
            Some(Node::File(_)) => {
                self.change(parent(path), Change::Remove(path.to_owned()));
                Ok(())
            }
            Some(Node::Dir) => Err(io::Error::from(io::ErrorKind::IsADirectory)),
            None => Err(not_found(path)),
        }
    }

    pub(super) fn remove_dir_all(&mut self, path: &Path) -> io::Result<()> {
        match self.live.get(path) {
            Some(Node::Dir) => {
                self.pending.retain(|dir, _| !dir.starts_with(path));
                self.change(parent(path), Change::Remove(path.to_owned()));
                Ok(())
            }
            Some(Node::File(_)) => Err(io::Error::from(io::ErrorKind::NotADirectory)),
            None => Err(not_found(path)),
        }
    }

    pub(super) fn exists(&self, path: &Path) -> bool {
        self.is_dir(path) || self.live.contains_key(path)
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        if !self.is_dir(dir) {
            return Err(not_found(dir));
        }
        for change in self.pending.remove(dir).unwrap_or_default() {
            apply(&mut self.safe, change);
        }
        Ok(())
    }

    pub(super) fn sync_all(&mut self, dir: &Path) -> io::Result<()> {
        self.sync_dir(dir)?;
        for (_, changes) in self.pending.extract_if(.., |pending, _| pending.starts_with(dir)) {
            for change in changes {
                apply(&mut self.safe, change);
            }
        }
        for (path, node) in &self.live {
            if let Node::File(inode) = node
                && path.starts_with(dir)
            {
                inode.sync();
            }
        }
        Ok(())
    }

    pub(super) fn power_loss(&mut self, rng: &mut Option<SplitMix>) {
        for (_, changes) in std::mem::take(&mut self.pending) {
            let kept = match rng {
                Some(rng) => rng.below(changes.len() as u64 + 1) as usize,
                None => 0,
            };
            for change in changes.into_iter().take(kept) {
                apply(&mut self.safe, change);
            }
        }
        // What lies in a folder that is gone is gone.
        let mut kept = Names::new();
        for (path, node) in std::mem::take(&mut self.safe) {
            let above = parent(&path);
            let root = above.as_os_str().is_empty() || above.parent().is_none();
            if root || matches!(kept.get(&above), Some(Node::Dir)) {
                kept.insert(path, node);
            }
        }
        for node in kept.values() {
            if let Node::File(inode) = node {
                inode.power_loss(rng);
            }
        }
        self.live = kept.clone();
        self.safe = kept;
    }

    pub(super) fn used(&self) -> u64 {
        self.live.values().map(|node| if let Node::File(inode) = node { inode.len() } else { 0 }).sum()
    }

    pub(super) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        self.live
            .iter()
            .filter_map(|(path, node)| match node {
                Node::File(inode) => Some((path.clone(), inode.bytes())),
                Node::Dir => None,
            })
            .collect()
    }

    pub(super) fn deep_copy(&self) -> Tree {
        let live: Names = self
            .live
            .iter()
            .map(|(path, node)| {
                let node = match node {
                    Node::File(inode) => Node::File(Arc::new(inode.copy_synced())),
                    Node::Dir => Node::Dir,
                };
                (path.clone(), node)
            })
            .collect();
        Tree { safe: live.clone(), live, pending: BTreeMap::new() }
    }
}
