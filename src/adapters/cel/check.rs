//! What a rule may be made of: known names, and nothing that takes long.

use cel_interpreter::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue};

use super::pattern::Pattern;
use super::program::{Vocabulary, excerpt};
use crate::adapters::units::nearest;

/// What stands in a checked rule for a pattern. Nobody can write such a name.
pub(super) fn name_of_pattern(index: usize) -> String {
    format!("@pattern{index}")
}

pub(super) const TOO_DEEP: &str = "nested too deeply; make several rules of it";

/// How deep a rule's parts may be nested: each takes stack when it is evaluated.
/// A chain of `+` nests, chains of `&&` and `||` hardly do.
const DEEPEST: usize = 200;

pub(super) const TOO_MUCH: &str =
    "takes too long: make its lists or texts shorter, or several rules of it";

/// How much a rule may make, copy or look at: the elements of all its lists and the bytes of all its texts, in loops as
/// often as they go round. It is less than a tenth of a second.
const MOST_WORK: usize = 2_500_000;

/// How long the list or text of a variable is taken to be.
const VARIABLE: usize = 256;

/// What a rule is made of.
#[derive(Default)]
pub(super) struct Checked {
    pub(super) variables: Vec<&'static str>,
    pub(super) patterns: Vec<Pattern>,
}

/// Checks the rule, and puts compiled patterns in place of their texts.
pub(super) fn check(rule: &mut IdedExpr, vocabulary: &Vocabulary) -> Result<Checked, String> {
    let mut check = Check {
        vocabulary,
        checked: Checked::default(),
        element: None,
        depth: 0,
        work: 0,
        rounds: 1,
    };
    check.visit(rule)?;
    Ok(check.checked)
}

struct Check<'v> {
    vocabulary: &'v Vocabulary,
    checked: Checked,
    /// Inside `exists` and the like, what it calls the element.
    element: Option<String>,
    depth: usize,
    work: usize,
    /// How often what is visited is done.
    rounds: usize,
}

impl Check<'_> {
    /// Checks a part; answers how long its value can be.
    fn visit(&mut self, part: &mut IdedExpr) -> Result<usize, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(TOO_DEEP.to_owned());
        }
        if let Expr::Call(call) = &mut part.expr
            && self.vocabulary.functions.contains(&call.func_name.as_str())
            && let Some(long) = (self.vocabulary.written_out)(call)?
        {
            part.expr = long;
        }
        let length = match &mut part.expr {
            Expr::Unspecified => return Err("no CEL".to_owned()),
            Expr::Literal(LiteralValue::String(text)) => text.inner().len().max(1),
            Expr::Literal(LiteralValue::Bytes(bytes)) => bytes.inner().len().max(1),
            Expr::Literal(_) => 1,
            Expr::Call(call) => self.call(call)?,
            Expr::Comprehension(loop_) => self.comprehension(loop_)?,
            Expr::Ident(_) | Expr::Select(_) => self.name(&mut part.expr)?,
            Expr::List(list) => 1 + self.visit_all(&mut list.elements)?,
            Expr::Map(_) => return Err("a rule has no use for maps".to_owned()),
            Expr::Struct(value) => {
                return Err(format!("unknown type `{}`", excerpt(&value.type_name)));
            }
        };
        self.depth -= 1;
        self.work = self.work.saturating_add(length.saturating_mul(self.rounds));
        if self.work > MOST_WORK {
            return Err(TOO_MUCH.to_owned());
        }
        Ok(length)
    }

    /// Checks parts; answers how long they can be together.
    fn visit_all(&mut self, parts: &mut [IdedExpr]) -> Result<usize, String> {
        let mut parts = parts.iter_mut();
        parts.try_fold(0, |all, part| Ok(all + self.visit(part)?))
    }

    /// A variable with its fields, as one name: it is resolved as one, too. Of
    /// anything else, a field.
    fn name(&mut self, expression: &mut Expr) -> Result<usize, String> {
        let Some(name) = dotted(expression) else {
            return match expression {
                Expr::Select(select) if select.test => Err(
                    "`has` tells nothing: every variable is always there; compare it with null"
                        .to_owned(),
                ),
                Expr::Select(select) => self.visit(&mut select.operand),
                _ => Ok(1),
            };
        };
        let root = name.split('.').next();
        if name.starts_with('@') || (root.is_some() && root == self.element.as_deref()) {
            // The rounds count the lengths of all elements.
            return Ok(1);
        }
        match self.vocabulary.variables.iter().find(|it| **it == name) {
            Some(variable) => self.checked.variables.push(variable),
            None => return Err(unknown("variable", &name, self.vocabulary.variables)),
        }
        Ok(VARIABLE)
    }

    fn call(&mut self, call: &mut CallExpr) -> Result<usize, String> {
        let name = call.func_name.as_str();
        let is_operator = name.contains(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.'));
        if !is_operator && !self.vocabulary.functions.contains(&name) {
            if matches!(name, "exists" | "exists_one" | "existsOne" | "all") {
                return Err(format!("expected list.{name}(element, condition)"));
            }
            return Err(unknown("function", name, self.vocabulary.functions));
        }
        let is_of_that_length = matches!(
            name,
            "_+_" | "_?_:_" | "_[_]" | "_[?_]" | "_?._" | "string" | "bytes"
        );
        let mut length = if name == "matches" {
            let [argument] = call.args.as_mut_slice() else {
                return Err("expected text.matches('pattern')".to_owned());
            };
            self.pattern(&mut argument.expr)?;
            1
        } else {
            self.visit_all(&mut call.args)?
        };
        if let Some(target) = &mut call.target {
            length += self.visit(target)?;
        }
        Ok(if is_of_that_length { length } else { 1 })
    }

    /// A pattern that is made in the rule would be compiled each time, and take
    /// as long as its author likes.
    fn pattern(&mut self, argument: &mut Expr) -> Result<(), String> {
        let Expr::Literal(LiteralValue::String(text)) = argument else {
            return Err("the pattern of `matches` must be a text in quotes".to_owned());
        };
        let pattern = Pattern::new(text.inner())?;
        *argument = Expr::Ident(name_of_pattern(self.checked.patterns.len()));
        self.checked.patterns.push(pattern);
        Ok(())
    }

    /// `exists`, `all`, `exists_one`: one loop over what the rule or the caller's
    /// certificate lists. Loops in loops, and loops that make lists, could make
    /// a short rule run for hours, or take all memory.
    fn comprehension(&mut self, it: &mut ComprehensionExpr) -> Result<usize, String> {
        if self.element.is_some() {
            return Err("one `exists` or `all` can't stand inside another".to_owned());
        }
        if matches!(it.accu_init.expr, Expr::List(_)) {
            return Err("`map` and `filter` can't be used; `exists` and `all` can".to_owned());
        }
        let is_root = |variable: &&str| variable.split('.').next() == Some(&it.iter_var);
        if self.vocabulary.variables.iter().any(is_root) {
            return Err(format!(
                "`{}` is a variable; call the element otherwise",
                it.iter_var
            ));
        }
        self.rounds = self.visit(&mut it.iter_range)?;
        self.element = Some(it.iter_var.clone());
        for part in [
            &mut it.accu_init,
            &mut it.loop_cond,
            &mut it.loop_step,
            &mut it.result,
        ] {
            self.visit(part)?;
        }
        (self.element, self.rounds) = (None, 1);
        Ok(1)
    }
}

/// `a.b.c`, where an expression is a name and its fields.
fn dotted(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => Some(format!(
            "{}.{}",
            dotted(&select.operand.expr)?,
            select.field
        )),
        _ => None,
    }
}

fn unknown(what: &str, name: &str, valid: &[&str]) -> String {
    let name = &excerpt(name);
    match nearest(name, valid) {
        Some(near) => format!("unknown {what} `{name}`; did you mean `{near}`?"),
        None => format!("unknown {what} `{name}`; there are {}", valid.join(", ")),
    }
}
