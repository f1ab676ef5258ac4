//! Unit tests of the range tree.

use super::*;

fn range(start: u32, end: u32) -> ByteRange {
    ByteRange::between(&start.to_be_bytes(), &end.to_be_bytes())
}

fn hits(tree: &RangeTree<u32>, key: u32) -> Vec<u32> {
    let mut hits = Vec::new();
    let keys = [&key.to_be_bytes()[..]];
    assert!(tree.sweep(&keys, 0..1, &mut SweepPlace::start(), &mut Budget::new(usize::MAX), &mut |value, _| {
        hits.push(value);
    }));
    hits
}

/// Holds every invariant against the nodes below `link`; answers how many there are.
fn check(tree: &RangeTree<u32>, link: Link) -> usize {
    let Some(place) = link else { return 0 };
    let node = tree.node(place);
    let children = [node.left, node.right];
    let [left, right] = children.map(|child| tree.height(child));
    assert!(left.abs_diff(right) <= 1, "the subtrees are {left} and {right} high");
    assert_eq!(node.height, 1 + left.max(right));
    let mut reach = node.range.end();
    for child in children.into_iter().flatten().map(|child| tree.node(child)) {
        reach = reach.max(tree.node(child.furthest).range.end());
    }
    assert_eq!(tree.node(node.furthest).range.end(), reach);
    assert!(node.left.is_none_or(|left| tree.node(left).range < node.range));
    assert!(node.right.is_none_or(|right| tree.node(right).range > node.range));
    assert!(!tree.free.contains(&place));
    1 + check(tree, node.left) + check(tree, node.right)
}

fn assert_sound(tree: &RangeTree<u32>) {
    let nodes = check(tree, tree.root);
    assert_eq!(nodes + tree.free.len(), tree.nodes.len(), "a node is lost");
}

#[test]
fn ranges_in_ascending_order_do_not_unbalance_the_tree() {
    let mut tree = RangeTree::new();
    for number in 0..1_000 {
        tree.insert(range(number, number + 10), number);
        assert_sound(&tree);
    }
    assert!(tree.height(tree.root) <= 14);
    assert_eq!(hits(&tree, 500), (491..=500).collect::<Vec<_>>());
}

#[test]
fn removing_in_any_order_keeps_the_tree_sound() {
    let mut tree = RangeTree::new();
    let scattered = |number: u32| number * 37 % 500;
    for number in 0..500 {
        tree.insert(range(number, number + 1 + number % 7), number);
    }
    for number in (0..500).map(scattered) {
        assert!(tree.remove(&range(number, number + 1 + number % 7), number));
        assert_sound(&tree);
    }
    assert!(tree.is_empty());
}

#[test]
fn the_places_of_removed_ranges_are_used_again() {
    let mut tree = RangeTree::new();
    for round in 0..10 {
        for number in 0..100 {
            tree.insert(range(number, number + round + 1), number);
        }
        for number in 0..100 {
            tree.remove(&range(number, number + round + 1), number);
        }
    }
    assert_eq!(tree.nodes.len(), 100);
    assert!(tree.nodes.iter().all(|node| node.range.start().is_empty()));
}

#[test]
fn a_range_that_keeps_another_value_stays() {
    let mut tree = RangeTree::new();
    tree.insert(range(1, 5), 1);
    tree.insert(range(1, 5), 2);
    assert_eq!(tree.nodes.len(), 1);
    assert!(tree.remove(&range(1, 5), 1));
    assert_eq!(hits(&tree, 4), [2]);
    assert!(!tree.remove(&range(1, 5), 1) && !tree.remove(&range(1, 6), 2));
}

#[test]
fn a_short_range_does_not_hide_a_long_one_that_starts_before_it() {
    let mut tree = RangeTree::new();
    for number in 0..100 {
        tree.insert(range(number, number + 1), number);
    }
    tree.insert(range(0, 1_000), 1_000);
    tree.insert(ByteRange::starting_at(&50u32.to_be_bytes()), 2_000);
    assert_eq!(hits(&tree, 999), [1_000, 2_000]);
    assert_eq!(hits(&tree, u32::MAX), [2_000]);
    assert_eq!(hits(&tree, 50), [1_000, 50, 2_000]);
}
